"""What a person sees of the ingest stage and may decide: review lists, the page that shows them, rules of cleaning."""

import html
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pymupdf
import pytest
from PIL import Image

from edullama.errors import InputError
from edullama.recipe import DroppableKind, Ingest, LectureCleaning
from tests.test_ingest_inputs import TEXT_LAYER, read, run, texts, write_pages

mupdf: Any = pymupdf  # its functions have no types
SORTING = (
    ("Sorting", "Quicksort divides a list at its pivot", "Mergesort halves a list and joins both parts"),
    ("Sorting", "Quicksort divides a list at its pivot", "Mergesort halves a list and joins both parts", "Heapsort"),
    ("Searching", "Binary search looks at the middle first"),
    ("Hashing", "A hash table finds a key at once"),
)


def draw_words(*lines: str) -> bytes:
    """Return a picture with words in it, as high as they need it."""
    with mupdf.open() as document:
        page = document.new_page(width=400, height=60 + 60 * len(lines))
        for number, line in enumerate(lines):
            page.insert_text((20, 60 + 60 * number), line, fontsize=26)
        return bytes(page.get_pixmap(dpi=144).tobytes("png"))


def slides(root: Path) -> list[tuple[list[int], str]]:
    """Return pages and title of each slide."""
    return [(slide["pages"], slide["title"]) for slide in read(root, "slides.jsonl")]


def test_struck_and_used_images_stay_so_however_a_spreadsheet_saves_them(tmp_path: Path) -> None:
    deck = write_pages(tmp_path / "lectures/a.pdf", *([f"Slide {n}", f"What slide {n} is about"] for n in range(1, 5)))
    with mupdf.open(deck) as document:
        for page in document:
            page.insert_image(
                (0, 0, 400, 300), stream=draw_words("", "", "", "Faculty of Computer Science"), overlay=False
            )
        document[1].insert_image((100, 110, 300, 215), stream=draw_words("Perceptron", "Activation", "Weights"))
        document.saveIncr()
    reading = Ingest()
    run(tmp_path, reading)
    assert [text.count("\n") for text in texts(tmp_path)["a"]] == [1, 4, 1, 1]
    assert texts(tmp_path)["a"][1].endswith("Perceptron\nActivation\nWeights")
    listed = tmp_path / "1-ingest/images.csv"
    kinds = [line.split(",")[2] for line in listed.read_text().splitlines()[1:]]
    assert sorted(kinds) == ["background", "figure"]
    edited = listed.read_text().replace(",yes,yes", ",yes,No").replace(",no,no", ",no,YES ")
    listed.write_text(edited.replace(",", ";").replace("\n", "\r\n"), encoding="utf-8-sig")
    for _ in range(2):
        run(tmp_path, reading)
        assert all(text.endswith("Computer Science") for text in texts(tmp_path)["a"])
        assert not any("Perceptron" in text for text in texts(tmp_path)["a"])
        uses = {line.split(",")[2]: line.split(",")[-2:] for line in listed.read_text().splitlines()[1:]}
        assert uses == {"background": ["no", "yes"], "figure": ["yes", "no"]}


def test_two_figures_of_one_size_on_one_page_are_two(tmp_path: Path) -> None:
    deck = write_pages(tmp_path / "lectures/a.pdf", ("Two figures", "They are of one size"))
    with mupdf.open(deck) as document:
        document[0].insert_image((20, 120, 190, 220), stream=draw_words("Perceptron", "Activation", "Weights"))
        document[0].insert_image((210, 120, 380, 220), stream=draw_words("Accuracy", "Precision", "Recall"))
        document.saveIncr()
    run(tmp_path, Ingest())
    assert texts(tmp_path)["a"] == [
        "Two figures\nThey are of one size\nPerceptron\nActivation\nWeights\nAccuracy\nPrecision\nRecall"
    ]
    assert len((tmp_path / "1-ingest/images.csv").read_text().splitlines()) == 1 + 2


def test_steps_are_taken_apart_and_joined_as_overlays_csv_says(tmp_path: Path) -> None:
    write_pages(tmp_path / "lectures/a.pdf", *SORTING)
    run(tmp_path)
    listed = tmp_path / "1-ingest/overlays.csv"
    head = "lecture,pages,title,reason,rule,use\n"
    assert listed.read_text() == head + "a,1 to 2,Sorting,superset,yes,yes\n"
    assert slides(tmp_path) == [([1, 2], "Sorting"), ([3], "Searching"), ([4], "Hashing")]
    listed.write_text(listed.read_text().replace("yes,yes", "yes,no") + "a,3-4,,,,yes\n")
    for _ in range(2):
        run(tmp_path)
        assert slides(tmp_path) == [([1], "Sorting"), ([2], "Sorting"), ([3, 4], "Hashing")]
        assert listed.read_text() == head + "a,1 to 2,Sorting,superset,yes,no\na,3 to 4,,,,yes\n"
    joined = "Searching\nBinary search looks at the middle first\nHashing\nA hash table finds a key at once"
    assert texts(tmp_path)["a"][2] == joined
    assert read(tmp_path, "removed.jsonl") == []


def test_a_persons_row_takes_the_last_step_off_and_another_lecture_keeps_its_own(tmp_path: Path) -> None:
    longer = (*SORTING[:2], (*SORTING[1], "Bubblesort"))
    for name in ("a", "b"):
        write_pages(tmp_path / f"lectures/{name}.pdf", *longer)
    run(tmp_path)
    with (tmp_path / "1-ingest/overlays.csv").open("a") as listed:
        listed.write("a,2 to 3,,,,no\n")
    run(tmp_path)
    assert slides(tmp_path) == [([1, 2], "Sorting"), ([3], "Sorting"), ([1, 2, 3], "Sorting")]


def test_decisions_about_steps_outlive_a_run_without_overlays(tmp_path: Path) -> None:
    write_pages(tmp_path / "lectures/a.pdf", *SORTING)
    run(tmp_path)
    listed = tmp_path / "1-ingest/overlays.csv"
    listed.write_text(listed.read_text() + "a,3 to 4,,,,yes\n")
    run(tmp_path, replace(TEXT_LAYER, overlays=False))
    run(tmp_path)
    assert "a,3 to 4,,,,yes" in listed.read_text()


@pytest.mark.parametrize(
    ("name", "row", "problem"),
    [
        ("images.csv", "a,img-1,figure,yes,maybe", r"images\.csv:2: use is 'maybe'\. Write yes or no\."),
        ("images.csv", "a,img-1,figure,yes,", r"images\.csv:2: use is ''\. Write yes or no\."),
        ("overlays.csv", "a,1 to 2,,yes,nein", r"overlays\.csv:2: use is 'nein'\. Write yes or no\."),
        ("overlays.csv", "a,2,,,yes", r"overlays\.csv:2: pages is '2'\. Write the first and the last page, such as"),
        ("overlays.csv", "a,4 to 2,,,yes", r"overlays\.csv:2: pages is '4 to 2'\. Write the first and the last page"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_before_anything_is_done(
    tmp_path: Path, name: str, row: str, problem: str
) -> None:
    write_pages(tmp_path / "lectures/a.pdf", *SORTING)
    run(tmp_path)
    columns = {"images.csv": "lecture,image,kind,rule,use", "overlays.csv": "lecture,pages,title,rule,use"}
    edited = f"{columns[name]}\n{row}\n"
    (tmp_path / "1-ingest" / name).write_text(edited)
    with pytest.raises(InputError, match=problem):
        run(tmp_path)
    assert (tmp_path / "1-ingest" / name).read_text() == edited
    assert (tmp_path / "1-ingest/manifest.json").exists()


def test_all_that_was_removed_is_listed_with_its_place_and_reason(tmp_path: Path) -> None:
    pages = (*SORTING[:2], ("Searching", "Binary search looks at the middle", "find(list, key);"), ("Any questions?",))
    deck = write_pages(tmp_path / "lectures/a.pdf", *pages)
    with mupdf.open(deck) as document:
        for page in document:
            page.insert_text((20, 292), f"Algorithms | {page.number + 1}", fontsize=6)
        document.saveIncr()
    run(tmp_path, replace(TEXT_LAYER, code="drop"))
    removed = sorted(read(tmp_path, "removed.jsonl"), key=lambda item: (item["page"], item["box"][1]))
    assert [(item["lecture"], item["page"], item["reason"], item["text"]) for item in removed] == [
        ("a", 1, "said again on page 2", "Sorting"),
        ("a", 1, "said again on page 2", "Quicksort divides a list at its pivot"),
        ("a", 1, "said again on page 2", "Mergesort halves a list and joins both parts"),
        ("a", 1, "running head or foot", "Algorithms | 1"),
        ("a", 2, "running head or foot", "Algorithms | 2"),
        ("a", 3, "code left out", "find(list, key);"),
        ("a", 3, "running head or foot", "Algorithms | 3"),
        ("a", 4, "questions slide", "Any questions?"),
        ("a", 4, "running head or foot", "Algorithms | 4"),
    ]
    with mupdf.open(deck) as document:
        for item in removed:
            box = mupdf.Rect(item["box"])
            assert document[item["page"] - 1].get_text(clip=box).strip() == item["text"]


@pytest.fixture(scope="module")
def reviewed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course of a real deck full of figures, and one with a page of each fate; its page for review has been made."""
    root = tmp_path_factory.mktemp("reviewed")
    fates = (("Sorting", "Quicksort divides a list at its pivot"), ("",), ("Any questions?",))
    write_pages(root / "lectures/a & <b>.pdf", *fates)
    shutil.copy(data / "quirks/slides/Continuous Integration.pdf", root / "lectures")
    run(root)
    return root


@pytest.fixture(scope="module")
def shown(reviewed: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page for review as a browser understands it."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium on this machine")
    profile = tmp_path_factory.mktemp("profile")
    page = (reviewed / "1-ingest/contact.html").as_uri()
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom", page]
    done = subprocess.run([browser, *options], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def rows(page: str) -> list[list[str]]:
    """Return the cells of all tables, row by row."""
    cells = [re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr\b.*?</tr>", page, re.DOTALL)]
    return [[html.unescape(re.sub(r"<.*?>", "", cell)).strip() for cell in row] for row in cells if row]


def test_the_page_for_review_shows_every_lecture_and_the_slides_that_are_built_up(reviewed: Path, shown: str) -> None:
    lectures = [row for row in rows(shown) if len(row) == 8]
    assert lectures == [
        ["Continuous Integration", "14", "13", "13 text, 1 blank", "1,670", "1,284", "386", "0"],
        ["a & <b>", "3", "2", "2 text, 1 blank", "51", "38", "13", "0"],
    ]
    assert ["9 to 10", "Run Unit tests Run Unit tests (Build/Execute shell)", "superset", "yes"] in rows(shown)


def test_the_page_for_review_shows_every_page_with_its_decision(reviewed: Path, shown: str) -> None:
    pages = [[str(page["page"]), page["method"]] for page in read(reviewed, "pages.jsonl")]
    assert [row[:2] for row in rows(shown) if len(row) == 4 and row[0].isdigit()] == pages


def test_the_page_for_review_shows_each_image_with_its_use_and_a_thumbnail(reviewed: Path, shown: str) -> None:
    listed = [line.split(",") for line in (reviewed / "1-ingest/images.csv").read_text().splitlines()[1:]]
    figures = re.findall(r'<figure class="(\w+)">.*?src="(.*?)".*?<span.*?>(.*?)</span>', shown, re.DOTALL)
    assert figures == [(row[-1], row[-3], row[1]) for row in listed]
    assert len(figures) == 9
    for _, thumbnail, _ in figures:
        with Image.open(reviewed / "1-ingest" / thumbnail) as image:
            assert image.format == "JPEG" and max(image.size) >= 100


def write_kinds(path: Path) -> None:
    """Write a deck with a slide of each kind."""
    outline = ("Outline", "Trees", "Heaps", "Graphs")
    deck = write_pages(
        path, ("",), outline, ("",), ("Balanced trees", "A balanced tree keeps every leaf at about the same depth."),
        outline, ("Exercise 1", "Insert 5, 3 and 8 into an empty tree."), ("References", "[1] D. Knuth: Art, 1997"),
        ("",),
    )  # fmt: skip
    with mupdf.open(deck) as document:
        for number, text, size in ((1, "Data Structures", 26), (3, "Trees", 18), (8, "Any questions?", 18)):
            document[number - 1].insert_text((120, 160), text, fontsize=size)
        document.saveIncr()


KINDS = ["title", "outline", "section", "content", "outline", "exercise", "references", "questions"]


@pytest.mark.parametrize(
    ("drop", "left_out"),
    [
        ([], []), (["title"], [1]), (["outline"], [2, 5]), (["outline repeat"], [5]), (["section"], [3]),
        (["exercise"], [6]), (["references"], [7]), (["questions"], [8]),
        (["title", "outline", "section", "exercise", "references", "questions"], [1, 2, 3, 5, 6, 7, 8]),
    ],
)  # fmt: skip
def test_the_kinds_of_slides_that_the_recipe_names_are_left_out(
    tmp_path: Path, drop: Sequence[DroppableKind], left_out: Sequence[int]
) -> None:
    write_kinds(tmp_path / "lectures/a.pdf")
    run(tmp_path, replace(TEXT_LAYER, drop=tuple(drop)))
    pages = read(tmp_path, "pages.jsonl")
    assert [page["kind"] for page in pages] == KINDS
    assert [page["page"] for page in pages if page["slide"] is None] == left_out
    assert [slide["pages"][0] for slide in read(tmp_path, "slides.jsonl")] == [
        number for number in range(1, 9) if number not in left_out
    ]
    removed = {(item["page"], item["reason"]) for item in read(tmp_path, "removed.jsonl")}
    named = "outline repeat" if "outline repeat" in drop else ""
    assert removed == {(number, f"{named or KINDS[number - 1]} slide") for number in left_out}


FORMULA, CODE = "a^2 + b^2 = c^2", "sum += squares[i];"


@pytest.mark.parametrize(
    ("code", "formulas", "shown_code", "shown_formula"),
    [
        ("keep", "keep", [CODE], [FORMULA]),
        ("tag", "tag", [f"```\n{CODE}\n```"], [f"[formula] {FORMULA}"]),
        ("drop", "keep", [], [FORMULA]),
        ("keep", "drop", [CODE], []),
    ],
)
def test_code_and_formulas_are_kept_marked_or_left_out(
    tmp_path: Path,
    code: Literal["keep", "tag", "drop"],
    formulas: Literal["keep", "tag", "drop"],
    shown_code: Sequence[str],
    shown_formula: Sequence[str],
) -> None:
    write_pages(tmp_path / "lectures/a.pdf", ("Triangles", "Their sides fit together", FORMULA, CODE))
    manifest = run(tmp_path, replace(TEXT_LAYER, code=code, formulas=formulas))
    (slide,) = read(tmp_path, "slides.jsonl")
    assert [block["text"] for block in slide["blocks"]] == [
        "Triangles", "Their sides fit together", *shown_formula, *shown_code,
    ]  # fmt: skip
    assert manifest.counts["unaccounted"] == 0


def test_a_lectures_own_rules_change_that_lecture_alone(tmp_path: Path) -> None:
    for name in ("week 1", "week 2"):
        write_pages(tmp_path / f"lectures/{name}.pdf", *SORTING[:2], ("Any questions?",), ("Sums", "We add up", CODE))
    run(tmp_path)
    before = [slide for slide in read(tmp_path, "slides.jsonl") if slide["lecture"] == "week 2"]
    own = LectureCleaning(overlays=False, code="drop", drop=())
    run(tmp_path, replace(TEXT_LAYER, lecture={"week 1": own}))
    assert texts(tmp_path)["week 1"] == [
        "\n".join(SORTING[0]), "\n".join(SORTING[1]), "Any questions?", "Sums\nWe add up",
    ]  # fmt: skip
    assert [slide for slide in read(tmp_path, "slides.jsonl") if slide["lecture"] == "week 2"] == before
    assert texts(tmp_path)["week 2"] == ["\n".join(SORTING[1]), f"Sums\nWe add up\n{CODE}"]
