from collections.abc import Iterator
from typing import Any

import numpy as np
import pymupdf
import pytest
from numpy.typing import NDArray

from edullama.lectures.render import draw, even_out, has_ink, is_flat, lighten_bars, paint_over, render

mupdf: Any = pymupdf  # its functions have no types
Shades = NDArray[np.uint8]
BLACK, WHITE, NAVY, CREAM = (0, 0, 0), (1, 1, 1), (0.1, 0.15, 0.4), (1, 0.9, 0.7)
LONG = "Vorrangwarteschlangen, Heaps und was man damit sonst noch alles machen kann"
DARK = pytest.approx(42, abs=2)  # navy, in grey
BAR = slice(0, 120)  # rows of a picture of 40 points at 216 dpi
BELOW = slice(130, 900)


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of 400 by 300 points."""
    with mupdf.open() as document:
        yield document.new_page(width=400, height=300)


def say(page: Any, text: str, top: float, colour: tuple[float, ...] = BLACK, size: float = 12) -> None:
    page.insert_text((20, top + size), text, fontsize=size, color=colour)


def fill(page: Any, box: tuple[float, ...], colour: tuple[float, ...]) -> None:
    page.draw_rect(box, color=None, fill=colour)


def picture(page: Any, box: tuple[float, float, float, float] | None = None, *, blank_text: bool = False) -> Any:
    """Draw at three pixels a point."""
    return render(page.parent, page.number + 1, box, 216, blank_text=blank_text)


def shades(pixmap: Any) -> Shades:
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.stride)[:, : pixmap.width]


def usual(pixels: Shades) -> int:
    return int(np.median(pixels))


def darkest(pixels: Shades) -> int:
    return int(pixels.min())


@pytest.mark.parametrize(("title", "size"), [("Heaps", 20), (LONG, 10.5)])
def test_a_white_title_on_a_dark_bar_becomes_dark_on_light(title: str, size: float, page: Any) -> None:
    fill(page, (0, 0, 400, 40), NAVY)
    say(page, title, 10, WHITE, size)
    pixmap = picture(page)
    assert usual(shades(pixmap)[BAR]) == DARK
    lighten_bars(pixmap)
    assert usual(shades(pixmap)[BAR]) == 255
    assert darkest(shades(pixmap)[BAR]) == DARK


def test_a_title_as_wide_as_its_bar_is_found_by_the_ends_of_the_bar(page: Any) -> None:
    fill(page, (0, 0, 400, 40), NAVY)
    fill(page, (10, 15, 390, 25), WHITE)  # more of each row than letters ever cover
    pixmap = picture(page)
    lighten_bars(pixmap)
    assert usual(shades(pixmap)[:40]) == 255
    assert usual(shades(pixmap)[50:70]) == DARK


def test_a_bar_that_ends_before_the_edge_is_lightened(page: Any) -> None:
    fill(page, (40, 0, 360, 40), NAVY)
    say(page, "      Heaps", 10, WHITE, 20)
    pixmap = picture(page)
    lighten_bars(pixmap)
    assert usual(shades(pixmap)[BAR, 120:1080]) == 255
    assert darkest(shades(pixmap)[BAR, 120:1080]) == DARK


def test_text_on_white_and_a_dark_photo_stay_as_they_are(page: Any) -> None:
    say(page, "Ein Heap ist ein Baum, in dem jeder Knoten klein ist", 20)
    fill(page, (60, 60, 240, 280), BLACK)
    before = shades(picture(page))
    pixmap = picture(page)
    lighten_bars(pixmap)
    assert np.array_equal(shades(pixmap), before)


def test_what_stands_below_a_bar_stays_as_it_is(page: Any) -> None:
    fill(page, (0, 0, 400, 40), NAVY)
    say(page, "Ein Heap ist ein Baum, in dem jeder Knoten klein ist", 60)
    before = shades(picture(page))
    pixmap = picture(page)
    lighten_bars(pixmap)
    assert np.array_equal(shades(pixmap)[BELOW], before[BELOW])


def test_a_page_that_is_dark_all_over_stays_as_it_is(page: Any) -> None:
    fill(page, (0, 0, 400, 160), NAVY)
    say(page, "Heaps", 10, WHITE, 20)
    before = shades(picture(page))
    pixmap = picture(page)
    lighten_bars(pixmap)
    assert np.array_equal(shades(pixmap), before)


def test_light_grey_text_on_white_becomes_dark(page: Any) -> None:
    say(page, "Heaps und Listen", 20, (0.8, 0.8, 0.8), 20)
    pixmap = picture(page)
    assert darkest(shades(pixmap)) == pytest.approx(204, abs=1)
    even_out(pixmap)
    assert darkest(shades(pixmap)) < 40
    assert usual(shades(pixmap)) == 255


def test_the_strokes_of_large_light_grey_letters_become_dark_all_over(page: Any) -> None:
    fill(page, (100, 100, 120, 200), (0.8, 0.8, 0.8))
    pixmap = picture(page)
    even_out(pixmap)
    assert int(shades(pixmap)[305:595, 305:355].max()) < 40


def test_light_grey_text_becomes_dark_though_black_text_stands_beside_it(page: Any) -> None:
    say(page, "Heaps", 20, BLACK, 20)
    say(page, "Listen", 120, (0.8, 0.8, 0.8), 20)
    pixmap = picture(page)
    even_out(pixmap)
    assert darkest(shades(pixmap)[40:150]) < 40
    assert darkest(shades(pixmap)[340:450]) < 40


def test_a_tinted_background_becomes_light_and_what_stands_on_it_dark(page: Any) -> None:
    fill(page, (0, 0, 400, 150), CREAM)
    fill(page, (0, 150, 400, 300), (0.6, 0.6, 0.6))
    say(page, "Heaps", 60, (0.5, 0.3, 0), 20)
    say(page, "Listen", 220, BLACK, 20)
    pixmap = picture(page)
    even_out(pixmap)
    for half in (shades(pixmap)[:400], shades(pixmap)[500:]):
        assert usual(half) == 255
        assert darkest(half) < 40


def test_weak_noise_is_not_made_strong(page: Any) -> None:
    fill(page, (0, 0, 400, 300), (0.9, 0.9, 0.9))
    for left in range(20, 380, 10):
        fill(page, (left, 20, left + 2, 22), (0.88, 0.88, 0.88))
    pixmap = picture(page)
    even_out(pixmap)
    assert darkest(shades(pixmap)) > 180
    assert not has_ink(pixmap)


def test_black_text_on_white_stays_as_it_is_however_large(page: Any) -> None:
    say(page, "Heaps und Listen", 20)
    fill(page, (100, 100, 112, 200), BLACK)  # a stroke of a large letter
    before, pixmap = shades(picture(page)), picture(page)
    even_out(pixmap)
    for part in (slice(0, 270), slice(270, 900)):
        assert np.count_nonzero(shades(pixmap)[part] < 128) == pytest.approx(np.count_nonzero(before[part] < 128), 0.1)


def test_a_picture_is_evened_out_to_its_edges_whatever_its_sides() -> None:
    page = mupdf.open().new_page(width=33.4, height=17.7)
    fill(page, (0, 0, 34, 18), CREAM)
    pixmap = picture(page)
    assert (pixmap.width, pixmap.height) == (101, 54)
    pixmap.set_rect(mupdf.IRect(95, 48, 99, 52), (190,))
    even_out(pixmap)
    assert usual(shades(pixmap)) == 255
    assert darkest(shades(pixmap)[48:52, 95:99]) < 40


def test_boxes_in_points_are_painted_over_and_nothing_else(page: Any) -> None:
    fill(page, (0, 0, 400, 300), BLACK)
    pixmap = picture(page)
    paint_over(pixmap, [(10, 20, 110, 40), (200, 250, 390, 290)], 216)
    assert (shades(pixmap)[60:120, 30:330] == 255).all()
    assert (shades(pixmap)[750:870, 600:1170] == 255).all()
    assert np.count_nonzero(shades(pixmap)) == 60 * 300 + 120 * 570


def test_what_the_text_layer_says_is_painted_over_on_a_page_and_on_a_part_of_it(page: Any) -> None:
    say(page, "Heaps, Queues and (gaps)", 100, size=20)
    fill(page, (200, 200, 220, 220), BLACK)
    for box in (None, (10.0, 90.0, 390.0, 290.0)):
        drawn, blank = picture(page, box), picture(page, box, blank_text=True)
        letters = np.count_nonzero(shades(drawn) < 255)
        assert letters > 60 * 60 + 1000
        assert np.count_nonzero(shades(blank) < 255) == 60 * 60  # the square alone


def test_text_that_is_not_drawn_paints_nothing_over(page: Any) -> None:
    fill(page, (10, 20, 300, 60), BLACK)
    page.insert_text((20, 40), "recognised in a scan", fontsize=20, render_mode=3)
    assert np.array_equal(shades(picture(page, blank_text=True)), shades(picture(page)))


def test_a_part_of_a_page_is_drawn_at_its_size(page: Any) -> None:
    fill(page, (100, 100, 150, 120), BLACK)
    pixmap = picture(page, (100, 100, 200, 150))
    assert (pixmap.width, pixmap.height) == (300, 150)
    assert (shades(pixmap)[:60, :150] == 0).all()
    assert (shades(pixmap)[60:] == 255).all()


def test_a_poster_is_drawn_with_no_more_than_ten_million_pixels() -> None:
    pixmap = picture(mupdf.open().new_page(width=4000, height=2000))
    assert 9.9e6 < pixmap.width * pixmap.height < 10.1e6
    assert pixmap.width / pixmap.height == pytest.approx(2, rel=0.01)


def test_more_than_a_speck_of_dark_is_ink(page: Any) -> None:
    pixmap = picture(page)
    assert not has_ink(pixmap)
    pixmap.set_rect(mupdf.IRect(100, 100, 110, 105), (109,))  # fifty pixels
    assert not has_ink(pixmap)
    pixmap.set_rect(mupdf.IRect(300, 100, 301, 101), (109,))
    assert has_ink(pixmap)


def test_grey_is_no_ink(page: Any) -> None:
    fill(page, (0, 0, 400, 300), (0.5, 0.5, 0.5))
    assert not has_ink(picture(page))


def test_a_page_of_one_shade_is_flat_and_one_with_a_word_on_it_is_not(page: Any) -> None:
    assert is_flat(picture(page))
    fill(page, (0, 0, 400, 300), CREAM)
    fill(page, (100, 100, 300, 200), (1, 0.89, 0.69))
    assert is_flat(picture(page))
    say(page, "Ende", 140)
    assert not is_flat(picture(page))


def test_a_figure_is_drawn_in_colour_as_png(page: Any) -> None:
    fill(page, (100, 100, 200, 150), (1, 0, 0))
    drawn = mupdf.Pixmap(draw(page.parent, 1, (72, 72, 144, 120)))
    assert (drawn.width, drawn.height) == (150, 100)
    assert (drawn.pixel(10, 10), drawn.pixel(100, 80)) == ((255, 255, 255), (255, 0, 0))
