from pathlib import Path
from typing import Any

import pymupdf
import pytest

from edullama.lectures.pages import Page, count_characters
from edullama.lectures.second_opinion import count_pages, read_pages

mupdf: Any = pymupdf  # its functions have no types
DAMAGED = "PyMuPDF: cannot find object 7"


@pytest.fixture
def deck(tmp_path: Path) -> Path:
    """A PDF of 400 by 300 points with two lines on its first page, and none on its second."""
    path = tmp_path / "a.pdf"
    with mupdf.open() as document:
        page = document.new_page(width=400, height=300)
        page.insert_text((20, 30), "Gradient descent", fontsize=20)
        page.insert_text((20, 80), "takes small steps", fontsize=12)
        document.new_page(width=400, height=300).draw_line((20, 20), (300, 20))
        document.save(path)
    return path


def read(path: Path, *numbers: int, password: str = "") -> list[Page]:
    return list(read_pages(path, "a", password, [(number, DAMAGED) for number in numbers]))


def test_all_text_of_a_page_is_one_fragment_as_large_as_the_page(deck: Path) -> None:
    (page,) = read(deck, 1)
    (fragment,) = page.fragments
    assert fragment.text.split() == ["Gradient", "descent", "takes", "small", "steps"]
    assert fragment.box == (0.0, 0.0, 400.0, 300.0)
    assert (page.lecture, page.number, page.width, page.height) == ("a", 1, 400, 300)
    assert (page.engine, page.problem, page.extracted) == (f"pypdf ({DAMAGED})", "", 30)


def test_a_page_without_text_keeps_the_problem_that_it_was_asked_for(deck: Path) -> None:
    first, second = read(deck, 1, 2)
    assert first.problem == ""
    assert (second.engine, second.fragments, second.problem) == ("none", (), f"{DAMAGED}; pypdf: no text")


def test_a_page_that_is_not_there_does_not_keep_the_next_from_being_read(deck: Path) -> None:
    missing, found = read(deck, 99, 1)
    assert (missing.number, missing.engine) == (99, "none")
    assert missing.problem.startswith(f"{DAMAGED}; pypdf: ")
    assert (found.number, found.problem, len(found.fragments)) == (1, "", 1)


@pytest.mark.parametrize("content", [b"", b"no pdf at all\n" * 9, b"%PDF-1.7\n%%EOF"])
def test_of_what_is_no_pdf_there_is_no_second_opinion(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    assert count_pages(path, "") == 0
    assert [page.problem.startswith(f"{DAMAGED}; pypdf: ") for page in read(path, 1, 2)] == [True, True]


def test_an_encrypted_file_is_read_with_its_password_alone(deck: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.pdf"
    with mupdf.open(deck) as document:
        document.save(path, encryption=mupdf.PDF_ENCRYPT_RC4_128, user_pw="heap", owner_pw="tree")
    assert [count_pages(path, password) for password in ("", "leaf", "heap")] == [0, 0, 2]
    assert read(path, 1, password="heap")[0].fragments[0].text.startswith("Gradient descent")
    assert read(path, 1, password="leaf")[0].fragments == ()


def test_every_character_of_a_german_deck_is_accounted_for(data: Path) -> None:
    path = data / "algo1_kit_de/slides/tutorium_02_folien.pdf"
    assert count_pages(path, "") == 15
    pages = read(path, 1, 2, 3)
    assert pages[0].fragments[0].text == "Übungsblatt 1"  # U and two dots in the file
    for page in pages:
        assert count_characters(page.fragments[0].text) == page.extracted + page.repaired - page.unreadable
    assert [page.repaired for page in pages] == [-1, -1, -6]
