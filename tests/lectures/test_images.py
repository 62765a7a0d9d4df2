from pathlib import Path

import pytest

from edullama.errors import InputError
from edullama.lectures.images import list_images, read_decisions, write_images, write_ranges
from edullama.lectures.pages import Page, Picture

LOGO = Picture("img-logo", "bitmap", 80, 40, (180, 90, 200, 100), 0.01)
FIGURE = Picture("img-figure", "bitmap", 600, 400, (20, 20, 80, 60), 0.3)
SCAN = Picture("img-scan", "bitmap", 2000, 1500, (0, 0, 200, 100), 1.0)


def pages(*shown: tuple[Picture, ...]) -> list[Page]:
    return [
        Page("a", number, "", 200, 100, (), pictures, (), (), 0, 0, 0, 0, "pymupdf")
        for number, pictures in enumerate(shown, 1)
    ]


def test_a_small_image_at_one_place_on_most_pages_is_a_logo_and_left_out() -> None:
    listed = list_images(pages((LOGO,), (LOGO, FIGURE), (LOGO,), (SCAN,)), {})
    assert [(i.image, i.pages, i.kind, i.use) for i in listed] == [
        ("img-figure", "2", "figure", "yes"), ("img-logo", "1-3", "logo", "no"), ("img-scan", "4", "scan", "yes"),
    ]  # fmt: skip


def test_pages_are_written_as_ranges() -> None:
    assert write_ranges([1, 2, 3, 7, 9, 10]) == "1-3 7 9-10"


def test_a_persons_decision_is_read_back_and_wins(tmp_path: Path) -> None:
    path = tmp_path / "images.csv"
    path.write_text(write_images(list_images(pages((FIGURE,)), {})).replace("yes,yes", "yes,no"))
    decisions = read_decisions(path)
    assert decisions == {("a", "img-figure"): "no"}
    assert [image.use for image in list_images(pages((FIGURE,)), decisions)] == ["no"]


def test_a_list_saved_by_a_german_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "images.csv"
    path.write_bytes(b"\xef\xbb\xbflecture;image;rule;use\r\na;img-x;no;YES\r\n")
    assert read_decisions(path) == {("a", "img-x"): "yes"}


def test_another_word_than_yes_or_no_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "images.csv"
    path.write_text("lecture,image,rule,use\na,img-x,no,no\na,img-y,yes,maybe\n")
    with pytest.raises(InputError, match=r"images\.csv:3: use is 'maybe'\. Write yes or no\."):
        read_decisions(path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "images.csv"
    path.write_text("lecture,image,rule\na,img-x,no\n")
    with pytest.raises(InputError, match="no column use"):
        read_decisions(path)
