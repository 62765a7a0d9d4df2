from pathlib import Path
from typing import Any

import pymupdf
import pytest

from edullama.lectures.pages import UnreadableError
from edullama.lectures.pdf import count_pages, read_pages

mupdf: Any = pymupdf  # its functions have no types


def test_images_are_known_again_on_every_page(tmp_path: Path) -> None:
    document = mupdf.open()
    red, blue = (mupdf.Pixmap(mupdf.csRGB, mupdf.IRect(0, 0, 8, 8), False) for _ in range(2))
    red.set_rect(red.irect, (255, 0, 0))
    blue.set_rect(blue.irect, (0, 0, 255))
    for pixmap in (red, blue, red):
        document.new_page(width=100, height=100).insert_image((0, 0, 50, 50), stream=pixmap.tobytes("png"))
    document.save(tmp_path / "a.pdf")
    first, second, third = (page.pictures[0] for page, _ in read_pages(tmp_path / "a.pdf", "a", "", [1, 2, 3]))
    assert first.image == third.image != second.image
    assert (first.width, first.height, first.area) == (8, 8, 0.25)


def test_german_beamer_slides_have_their_umlauts_and_titles(data: Path) -> None:
    deck = data / "algo1_kit_de/slides/tutorium_02_folien.pdf"
    ((page, _),) = read_pages(deck, "a", "", [1])
    assert [fragment.text for fragment in page.fragments] == ["Übungsblatt 1"]


def test_java_code_keeps_its_shape(data: Path) -> None:
    ((page, _),) = read_pages(data / "prog2_hsbi_de/slides/java-modern__lambdas.pdf", "a", "", [4])
    assert page.fragments[0].text == "Lösung: Comparator als anonyme innere Klasse"
    assert "@Override\n            public int compare(Studi o1, Studi o2) {\n" in page.fragments[1].text


def test_two_columns_of_a_paper_do_not_mix(data: Path) -> None:
    ((page, _),) = read_pages(data / "quirks/slides/multicolumn.pdf", "a", "", [1])
    texts = [fragment.text for fragment in page.fragments]
    left = next(index for index, text in enumerate(texts) if text.startswith("Nulla malesuada"))
    right = next(index for index, text in enumerate(texts) if text.startswith("Quisque ullamcorper"))
    assert left < right


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "empty"), (b"no pdf at all\n" * 9, "not a PDF"), (b"<html><body>Login</body></html>", "not a PDF")],
)
def test_what_is_no_pdf_is_told_plainly(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=problem):
        count_pages(path)
