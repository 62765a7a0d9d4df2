from collections.abc import Callable
from io import BytesIO
from operator import sub
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from PIL import Image, ImageDraw, ImageFont

from edullama.lectures.looks import Look, unite_alike
from edullama.lectures.pages import Page
from edullama.lectures.pdf import read_pages

mupdf: Any = pymupdf  # its functions have no types
Box = tuple[int, int, int, int]
Show = Callable[[Any], None]  # puts images onto a page
CORNER = 20, 20, 200, 110  # 180 by 90 points, the shape of the logo
WHITE, NAVY, RED = (255, 255, 255), (0, 0, 128), (255, 0, 0)


def logo(width: int = 180, height: int = 90) -> Image.Image:
    """A navy square and a red circle, side by side on white."""
    image = Image.new("RGB", (180, 90), WHITE)
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 20, 80, 70), fill=NAVY)
    draw.ellipse((100, 20, 150, 70), fill=RED)
    return image.resize((width, height))


def mirrored() -> Image.Image:
    return logo().transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def flat(shade: int) -> Image.Image:
    return Image.new("RGB", (180, 90), (shade, shade, shade))


def save(image: Image.Image, kind: str) -> bytes:
    file = BytesIO()
    image.save(file, kind)
    return file.getvalue()


def shown(image: Image.Image, kind: str = "PNG", box: Box = CORNER) -> Show:
    return lambda page: page.insert_image(box, stream=save(image, kind), keep_proportion=False)


def read(path: Path, *pages: Show, compress: bool = False) -> tuple[list[Page], dict[str, Look]]:
    """Write a PDF of 800 by 400 points a page and read it as `ingest` does."""
    with mupdf.open() as document:
        for show in pages:
            show(document.new_page(width=800, height=400))
        document.save(path / "a.pdf", deflate=compress)
    found = list(read_pages(path / "a.pdf", "a", "", range(1, len(pages) + 1)))
    return [page for page, _ in found], {name: look for _, looks in found for name, look in looks.items()}


def names(pages: list[Page], looks: dict[str, Look]) -> list[str]:
    """Return the name that the first image of each page has in the end, "A" for the first such name, and so on."""
    known: dict[str, str] = {}
    united = unite_alike(pages, looks)
    return [known.setdefault(page.pictures[0].image, chr(ord("A") + len(known))) for page in united]


def test_a_logo_saved_in_two_ways_is_one_image(tmp_path: Path) -> None:
    pages, looks = read(tmp_path, shown(logo()), shown(logo(), "JPEG"), shown(mirrored()))
    assert len({page.pictures[0].image for page in pages}) == 3
    assert names(pages, looks) == ["A", "A", "B"]


def test_a_logo_saved_larger_or_in_grey_is_one_image(tmp_path: Path) -> None:
    pages, looks = read(tmp_path, shown(logo()), shown(logo(900, 450)), shown(logo().convert("L")))
    assert names(pages, looks) == ["A", "A", "A"]


def test_united_images_stay_where_they_stand(tmp_path: Path) -> None:
    pages, looks = read(tmp_path, shown(logo()), shown(logo(), "JPEG", (200, 100, 380, 190)))
    first, second = (page.pictures[0] for page in unite_alike(pages, looks))
    assert (first.image, first.box) == (second.image, CORNER)
    assert second.box == (200, 100, 380, 190)


def test_images_of_one_shade_are_never_united(tmp_path: Path) -> None:
    pages, looks = read(tmp_path, shown(flat(255)), shown(flat(200)), shown(flat(255), "JPEG"))
    assert all(look.flat for look in looks.values())
    assert names(pages, looks) == ["A", "B", "C"]


def test_whole_pages_are_never_united(tmp_path: Path) -> None:
    whole, nearly = (0, 0, 800, 400), (0, 0, 800, 340)
    pages, looks = read(tmp_path, shown(logo(), box=whole), shown(logo(), "JPEG", whole))
    assert [page.pictures[0].area for page in pages] == [1.0, 1.0]
    assert names(pages, looks) == ["A", "B"]
    assert names(*read(tmp_path, shown(logo(), box=nearly), shown(logo(), "JPEG", nearly))) == ["A", "A"]


def test_images_of_another_shape_stay_apart(tmp_path: Path) -> None:
    assert names(*read(tmp_path, shown(logo()), shown(logo(180, 60)))) == ["A", "B"]


def screenshot(word: str) -> Image.Image:
    """Two lines of text, of which one word may differ."""
    image = Image.new("RGB", (400, 200), WHITE)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(30)
    draw.text((20, 20), f"step = {word}", fill=NAVY, font=font)
    draw.text((20, 100), "and the loss goes down", fill=NAVY, font=font)
    return image


def test_screenshots_that_differ_in_a_word_are_two_and_one_saved_twice_is_one(tmp_path: Path) -> None:
    large = 20, 20, 420, 220
    small, other = screenshot("small"), screenshot("large")
    pages, looks = read(tmp_path, shown(small, box=large), shown(other, box=large), shown(small, "JPEG", large))
    assert names(pages, looks) == ["A", "B", "A"]


def test_images_that_differ_in_what_is_transparent_are_two(tmp_path: Path) -> None:
    black = Image.new("RGBA", (180, 90), (0, 0, 0, 0))
    masks = [Image.new("RGBA", (180, 90), (0, 0, 0, 0)) for _ in range(2)]
    ImageDraw.Draw(masks[0]).rectangle((10, 20, 80, 70), fill=(0, 0, 0, 255))
    ImageDraw.Draw(masks[1]).ellipse((100, 20, 150, 70), fill=(0, 0, 0, 255))
    pages, looks = read(tmp_path, *(shown(Image.alpha_composite(black, mask)) for mask in masks))
    assert names(pages, looks) == ["A", "B"]
    shades = [Image.open(BytesIO(look.jpeg)).convert("L").tobytes() for look in looks.values()]
    assert all(max(own) > 200 for own in shades)  # drawn on white


def test_an_image_of_which_no_look_could_be_had_keeps_its_name(tmp_path: Path) -> None:
    pages, looks = read(tmp_path, shown(logo()), shown(logo(), "JPEG"))
    assert names(pages, {}) == ["A", "B"]
    assert names(pages, {name: look for name, look in looks.items() if name == pages[0].pictures[0].image}) == [
        "A", "B",
    ]  # fmt: skip


def halves(kind: str) -> Show:
    def show(page: Any) -> None:
        shown(logo().crop((0, 0, 90, 90)), kind, (20, 20, 110, 110))(page)
        shown(logo().crop((90, 0, 180, 90)), kind, (110, 20, 200, 110))(page)

    return show


def test_an_image_in_two_halves_is_looked_at_as_its_page_shows_it(tmp_path: Path) -> None:
    pages, looks = read(tmp_path, halves("PNG"), halves("JPEG"))
    assert [page.pictures[0].what for page in pages] == ["tiles", "tiles"]
    assert names(pages, looks) == ["A", "A"]
    assert colours(looks[pages[0].pictures[0].image]) == [NAVY, RED, WHITE]


def colours(look: Look) -> list[tuple[int, int, int]]:
    """Return which of the logo's colours a thumbnail has where the square, the circle and the margin stand."""
    samples = Image.open(BytesIO(look.jpeg)).convert("RGB").resize((180, 90)).tobytes()
    pixels = [samples[3 * (180 * y + x) :][:3] for x, y in ((45, 45), (125, 45), (170, 10))]
    return [min((NAVY, RED, WHITE), key=lambda shade: sum(map(abs, map(sub, shade, pixel)))) for pixel in pixels]


def as_pixels(image: Image.Image) -> Show:
    return lambda page: page.insert_image(CORNER, pixmap=mupdf.Pixmap(save(image, "PNG")))


@pytest.mark.parametrize(("compress", "size"), [(True, (100, 50)), (False, (113, 57))])
def test_a_large_bitmap_is_shrunk_in_its_colours(compress: bool, size: tuple[int, int], tmp_path: Path) -> None:
    pages, looks = read(tmp_path, as_pixels(logo(900, 450)), shown(logo()), compress=compress)
    look = looks[pages[0].pictures[0].image]
    assert Image.open(BytesIO(look.jpeg)).size == size
    assert colours(look) == [NAVY, RED, WHITE]
    assert names(pages, looks) == ["A", "A"]


def test_a_look_comes_back_from_the_cache_as_it_went() -> None:
    for look in (Look(b"\xff\xd8 a picture", 2**64 - 1, False), Look(b"", 0, True), Look(b"\x00\x01", 1, False)):
        assert Look.unpack(look.pack()) == look
