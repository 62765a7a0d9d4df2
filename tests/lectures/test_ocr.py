import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from edullama.errors import InputError
from edullama.lectures.ocr import Place, Word, check_tesseract, make_scan, scan
from edullama.lectures.pages import Scan

mupdf: Any = pymupdf  # its functions have no types
BLACK, GREY, WHITE = (0, 0, 0), (0.72, 0.72, 0.72), (1, 1, 1)
WHOLE = Place(1, None, False)
UNSURE = "OCR too unsure to be trusted, as of handwriting"


def long_words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in re.findall(r"[A-Za-z]{4,}", text)}


def test_a_scanned_german_deck_reads_like_its_source(data: Path) -> None:
    with mupdf.open(data / "prog2_hsbi_de/slides/java-modern__lambdas.pdf") as source:
        truth = long_words(source[number - 1].get_text() for number in (1, 4, 8))
    path = data / "quirks/derived/scan_lambdas_150dpi_gray.pdf"
    scans = list(scan(path, "", "eng+deu", [Place(number, None, False) for number in (1, 4, 8)]))
    read = long_words(fragment.text for one in scans for fragment in one.fragments)
    assert scans[0].fragments[0].text == "Lambda-Ausdrücke und funktionale Interfaces"
    assert len(truth & read) / len(truth) > 0.75


def write(page: Any, *lines: str, left: float = 20, top: float = 80, colour: tuple[float, ...] = BLACK) -> None:
    """Write lines, 20 points apart."""
    for row, line in enumerate(lines):
        page.insert_text((left, top + 20 * row), line, fontsize=12, color=colour)


def read(path: Path, draw: Callable[[Any], None], place: Place = WHOLE) -> Scan:
    """Read a page of 400 by 300 points of which a PDF has nothing but the picture, at 150 dpi."""
    with mupdf.open() as drawn, mupdf.open() as document:
        draw(drawn.new_page(width=400, height=300))
        page = document.new_page(width=400, height=300)
        page.insert_image(page.rect, stream=drawn[0].get_pixmap(dpi=150).tobytes("png"))
        document.save(path / "a.pdf")
    (one,) = scan(path / "a.pdf", "", "eng", [place])
    assert one.problem == ""
    return one


def texts(one: Scan) -> list[str]:
    return [fragment.text for fragment in one.fragments]


def test_light_grey_text_is_read_beside_black_text(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        write(page, "Classification with labels")
        write(page, "Regression towards the mean", top=120, colour=GREY)

    assert texts(read(tmp_path, draw)) == ["Classification with labels", "Regression towards the mean"]


def test_a_white_title_on_a_dark_bar_is_read_beside_black_text(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        page.draw_rect((0, 0, 400, 40), color=None, fill=(0.1, 0.15, 0.4))
        page.insert_text((10, 25), "Heaps", fontsize=16, color=WHITE)
        write(page, "Classification with labels")

    assert texts(read(tmp_path, draw)) == ["Heaps", "Classification with labels"]


def draw_network(page: Any) -> None:
    """Draw three boxes with names in them under a title, and an axis below."""
    write(page, "A network of three layers", top=40)
    for left, name in ((40, "Input layer"), (160, "Hidden layer"), (290, "Output layer")):
        page.draw_rect((left - 8, 100, left + 85, 150))
        write(page, name, left=left, top=130)
    for mass in range(1, 6):
        write(page, f"{mass} kg", left=60 * mass, top=280)


def test_what_is_drawn_in_a_figure_is_read_as_its_labels(tmp_path: Path) -> None:
    (labels,) = read(tmp_path, draw_network, Place(1, (20, 80, 390, 200), True)).fragments
    assert (labels.text, labels.kind, labels.method) == ("Input layer\nHidden layer\nOutput layer", "figure", "ocr")
    assert labels.box == (20, 80, 390, 200)


def test_the_ticks_of_an_axis_are_no_labels(tmp_path: Path) -> None:
    assert read(tmp_path, draw_network, Place(1, (10, 255, 390, 298), True)).fragments == ()


def test_what_the_text_layer_says_is_painted_over_and_not_read_again(tmp_path: Path) -> None:
    with mupdf.open() as drawn, mupdf.open() as document:
        write(drawn.new_page(width=400, height=300), "drawn on a blackboard", top=200)
        page = document.new_page(width=400, height=300)
        page.insert_image(page.rect, stream=drawn[0].get_pixmap(dpi=150).tobytes("png"))
        write(page, "typed on a keyboard", top=80)
        document.save(tmp_path / "a.pdf")
    places = [Place(1, None, True), Place(1, None, False), Place(1, (10, 50, 390, 290), True)]
    rest, everything, figure = scan(tmp_path / "a.pdf", "", "eng", places)
    assert texts(rest) == texts(figure) == ["drawn on a blackboard"]
    assert texts(everything) == ["typed on a keyboard", "drawn on a blackboard"]


def test_a_square_that_is_read_as_an_equals_sign_is_a_bullet(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        for row, line in enumerate(("Merge sort divides the list", "Heap sort builds a heap first")):
            page.draw_rect((22, 73 + 30 * row, 27, 78 + 30 * row), color=None, fill=BLACK)
            write(page, line, left=40, top=80 + 30 * row)

    assert texts(read(tmp_path, draw)) == ["• Merge sort divides the list", "• Heap sort builds a heap first"]


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        write(page, "Supervised learning needs", "labels for every sample", "that a person has given")
        write(page, "Unsupervised learning", "finds groups of samples", "without any labels at all", left=190)

    assert texts(read(tmp_path, draw)) == [
        "Supervised learning needs labels for every sample that a person has given",
        "Unsupervised learning finds groups of samples without any labels at all",
    ]


def test_comments_and_lone_brackets_of_code_are_kept(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        code = "if (small < large) {", "    swap(small, large);", "    // nothing is copied", "}", "return large;"
        for row, line in enumerate(code):
            page.insert_text((20, 90 + 20 * row), line, fontsize=13, fontname="cour")

    lines = "\n".join(texts(read(tmp_path, draw))).split("\n")
    assert lines == [
        "if (small < large) {",
        "    swap(small, large);",
        "    // nothing is copied",
        "}",
        "return large;",
    ]


@pytest.mark.parametrize(("deck", "number"), [("2022_NotesFebruary10", 5), ("2026_FYS4411week2", 5)])
def test_handwriting_is_lost_with_the_reason_rather_than_read(
    deck: str, number: int, data: Path, tmp_path: Path
) -> None:
    with mupdf.open(data / f"handwritten_fys4411_en/slides/{deck}.pdf") as notes, mupdf.open() as document:
        width, height = notes[number - 1].rect.width, notes[number - 1].rect.height
        page = document.new_page(width=width, height=height / 4)
        page.show_pdf_page(page.rect, notes, number - 1, clip=(0, height / 10, width, height * 0.35))
        document.save(tmp_path / "a.pdf")
    (one,) = scan(tmp_path / "a.pdf", "", "eng", [WHOLE])
    assert one.fragments == ()
    assert one.lost
    assert {loss.reason for loss in one.lost} == {UNSURE}


def test_a_tinted_page_with_nothing_on_it_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, lambda page: page.draw_rect(page.rect, color=None, fill=GREY)) == Scan(())


def test_what_goes_wrong_is_told_and_the_other_places_are_looked_at_all_the_same(tmp_path: Path) -> None:
    with mupdf.open() as document:
        write(document.new_page(), "Classification with labels")
        document.new_page()
        document.save(tmp_path / "a.pdf")
    first, second = scan(tmp_path / "a.pdf", "", "xyz", [WHOLE, Place(2, None, False)])
    assert first == Scan((), "OCR failed: Could not initialize tesseract.")
    assert second == Scan(())


def words(*row: tuple[str, float, float], line: int = 1, top: float = 100, height: float = 9) -> list[Word]:
    """Words of one of Tesseract's lines, each with its left and right edge, of which it is sure."""
    return [Word((1, 1, line), text, 95.0, (left, top, right, top + height)) for text, left, right in row]


def test_an_equals_sign_wider_than_a_square_is_no_bullet() -> None:
    rest = ("Summe", 40, 80), ("aller", 84, 104), ("Kanten", 108, 145)
    wide, square = (words(("=", 20, right), top=103, height=5) for right in (28, 26))
    assert texts(make_scan([*wide, *words(*rest)])) == ["= Summe aller Kanten"]
    assert texts(make_scan([*square, *words(*rest)])) == ["• Summe aller Kanten"]


def test_a_sign_that_is_read_twice_at_one_place_is_said_once() -> None:
    before, after = words(("Tiefe", 20, 50)), words(("Zahl", 66, 90), ("der", 94, 110), ("Kanten", 114, 150))
    twice = words(("=", 54, 62), ("=", 55, 62), top=103, height=4)
    assert texts(make_scan([*before, *twice, *after])) == ["Tiefe = Zahl der Kanten"]


@pytest.mark.parametrize("misread", ["/f", "f/", "ff", "// /"])
def test_a_comment_in_italics_begins_with_two_strokes(misread: str) -> None:
    assert texts(make_scan(words((misread, 20, 30), ("nichts", 36, 66), ("tun", 70, 85)))) == ["// nichts tun"]


def test_what_tesseract_parts_or_joins_is_put_into_lines_by_its_place() -> None:
    sign = words(("=", 54, 62), top=103, height=4, line=2)  # which is nothing on a line of its own
    parted = [*words(("Tiefe", 20, 50)), *words(("Zahl", 66, 90), ("der", 94, 110), line=3), *sign]
    assert texts(make_scan(parted)) == ["Tiefe = Zahl der"]
    joined = words(("Tiefe", 20, 50), ("des", 54, 72), ("Fachbereich", 300, 360), ("Informatik", 364, 420))
    assert texts(make_scan(joined)) == ["Tiefe des", "Fachbereich Informatik"]


def test_a_missing_language_is_named_with_the_line_that_installs_it() -> None:
    with pytest.raises(InputError, match=r"no xyz_abc\. Run: sudo apt-get install tesseract-ocr-xyz-abc"):
        check_tesseract("eng+xyz_abc")


def test_missing_tesseract_is_told_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="apt-get install tesseract-ocr tesseract-ocr-eng tesseract-ocr-deu"):
        check_tesseract("eng+deu")
