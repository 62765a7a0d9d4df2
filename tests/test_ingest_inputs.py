"""What the ingest stage makes of files as they come: locked, cut off, linked, hostile, huge; as PDF or as PPTX."""

import json
import os
import shutil
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from pptx import Presentation
from pptx.util import Pt

from edullama.lectures import reading
from edullama.manifest import Manifest
from edullama.recipe import Ingest, Recipe
from edullama.stages import ingest
from edullama.store import Workspace, find_stage
from edullama.workers import Limits
from tests.lectures.decks import TITLE_AND_CONTENT, add_slide, add_text, png

mupdf: Any = pymupdf  # its functions have no types
TEXT_LAYER = Ingest(ocr="never", describe="none")
COURSES = {  # lectures that can be read
    "algo1_kit_de": 11, "dl_schutera_en": 8, "handwritten_fys4411_en": 5, "prog2_hsbi_de": 25, "quirks": 4,
    "sl_lmu_en": 24,
}  # fmt: skip


def write_pages(path: Path, *pages: Sequence[str]) -> Path:
    """Write a PDF; of each page the first line is its title, and what ends in a semicolon is set as code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mupdf.open() as document:
        for title, *lines in pages:
            page = document.new_page(width=400, height=300)
            page.insert_text((20, 40), title, fontsize=18)
            for number, line in enumerate(lines):
                font = "cour" if line.endswith(";") else "helv"
                page.insert_text((20, 90 + 40 * number), line, fontsize=11, fontname=font)
        document.save(path)
    return path


def write_objects(path: Path, objects: Sequence[bytes]) -> None:
    """Write a PDF of the given objects, numbered from 1; the first is the catalogue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = b"%PDF-1.7\n"
    bodies = [b"%d 0 obj\n%s\nendobj\n" % (number, body) for number, body in enumerate(objects, 1)]
    *offsets, end = accumulate(map(len, bodies), initial=len(head))
    rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\n" % (size, rows, size)
    path.write_bytes(b"".join([head, *bodies, table, b"startxref\n%d\n%%%%EOF\n" % end]))


def write_book(path: Path, pages: int) -> None:
    """Write a PDF of many pages with one line each."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * index) for index in range(pages))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]/MediaBox[0 0 400 300]/Resources<</Font<</F 3 0 R>>>>>>" % (pages, kids),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for index in range(pages):
        text = b"BT /F 12 Tf 20 250 Td (Theorem %d holds) Tj ET" % (index + 1)
        objects.append(b"<</Type/Page/Parent 2 0 R/Contents %d 0 R>>" % (5 + 2 * index))
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(text), text))
    write_objects(path, objects)


def plant_bomb(path: Path, page: int, command: bytes) -> None:
    """Let the content of a page (1-based) be a drawing command over and over again: four gigabytes in few bytes."""
    packer = zlib.compressobj(9, wbits=-15)
    megabyte = packer.compress(command * (2**20 // len(command))) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = zlib.compress(b"\x78\xda" + megabyte * 4096, 9)
    with mupdf.open(path) as document:
        content = document[page - 1].get_contents()[0]
        document.update_stream(content, packed, compress=False, new=True)
        document.xref_set_key(content, "Filter", "[/FlateDecode/FlateDecode]")
        document.saveIncr()


def run(root: Path, settings: Ingest = TEXT_LAYER, **sections: Any) -> Manifest:
    return ingest.run(Workspace(root), Recipe(ingest=settings, **sections))


def read(root: Path, name: str) -> list[dict[str, Any]]:
    """Return the records of a finished stage as anybody would read them."""
    return [json.loads(line) for line in (root / "1-ingest" / name).read_text(encoding="utf-8").splitlines()]


def failures(root: Path) -> list[tuple[str, int | None, str]]:
    return [(failure["file"], failure["page"], failure["problem"]) for failure in read(root, "failures.jsonl")]


def texts(root: Path) -> dict[str, list[str]]:
    """Return what the slides of each lecture say."""
    found: dict[str, list[str]] = {}
    for slide in read(root, "slides.jsonl"):
        found.setdefault(slide["lecture"], []).append("\n".join(block["text"] for block in slide["blocks"]))
    return found


def test_a_locked_pdf_is_read_with_its_password_which_is_written_nowhere(tmp_path: Path) -> None:
    open_deck = write_pages(tmp_path / "open.pdf", ["What only students of this course may read"])
    (tmp_path / "lectures/week 1").mkdir(parents=True)
    with mupdf.open(open_deck) as document:
        locked = tmp_path / "lectures/week 1/intro.pdf"
        document.save(locked, encryption=mupdf.PDF_ENCRYPT_AES_256, user_pw="kastanie-4711", owner_pw="other")
    run(tmp_path)
    (failure,) = read(tmp_path, "failures.jsonl")
    assert (failure["file"], failure["problem"]) == (
        "lectures/week 1/intro.pdf", "encrypted: it opens only with a password",
    )  # fmt: skip
    assert "[ingest.passwords]" in failure["advice"]
    run(tmp_path, replace(TEXT_LAYER, passwords={"week 1__intro": "wrong"}))
    assert failures(tmp_path) == [
        ("lectures/week 1/intro.pdf", None, "encrypted: the password in the recipe does not open it")
    ]
    run(tmp_path, replace(TEXT_LAYER, passwords={"week 1__intro": "kastanie-4711"}))
    assert failures(tmp_path) == []
    assert texts(tmp_path) == {"week 1__intro": ["What only students of this course may read"]}
    written = [path for path in (tmp_path / "1-ingest").rglob("*") if path.is_file()]
    assert not [path for path in written if b"kastanie-4711" in path.read_bytes()]


def test_a_new_password_makes_the_stage_run_again(tmp_path: Path) -> None:
    deck = write_pages(tmp_path / "open.pdf", ["What only students of this course may read"])
    (tmp_path / "lectures").mkdir()
    with mupdf.open(deck) as document:
        document.save(tmp_path / "lectures/a.pdf", encryption=mupdf.PDF_ENCRYPT_AES_256, user_pw="x", owner_pw="y")
    run(tmp_path)
    unlocked = Recipe(ingest=replace(TEXT_LAYER, passwords={"a": "x"}))
    assert Workspace(tmp_path).stage_status(find_stage("ingest"), unlocked).state == "stale"


def test_a_pdf_without_pages_is_told_and_one_that_lost_only_its_table_is_read(tmp_path: Path) -> None:
    lectures = tmp_path / "lectures"
    write_objects(lectures / "zero.pdf", [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 0/Kids[]>>"])
    write_book(lectures / "whole.pdf", 3)
    whole = (lectures / "whole.pdf").read_bytes()
    (lectures / "cut.pdf").write_bytes(whole[: whole.index(b"xref")])
    (lectures / "login.pdf").write_text("<!DOCTYPE html>\n<html lang=de><head><title>Anmelden</title></head></html>")
    manifest = run(tmp_path)
    assert failures(tmp_path) == [
        ("lectures/login.pdf", None, "not a PDF but a web page"), ("lectures/zero.pdf", None, "it has no pages"),
    ]  # fmt: skip
    three = ["Theorem 1 holds", "Theorem 2 holds", "Theorem 3 holds"]
    assert texts(tmp_path) == {"cut": three, "whole": three}
    assert "lectures/cut.pdf is damaged; 3 pages could be found: check that none is missing" in manifest.notes


def test_a_linked_pdf_is_read_and_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    lectures = tmp_path / "lectures"
    write_pages(lectures / "here.pdf", ["What lies in the folder"])
    write_pages(tmp_path / "archive/old.pdf", ["What is linked from elsewhere"])
    links = {
        "linked.pdf": "../archive/old.pdf", "dangling.pdf": "gone.pdf", "ring.pdf": "gnir.pdf", "gnir.pdf": "ring.pdf",
        "archive": "../archive", "loop": ".",
    }  # fmt: skip
    for name, target in links.items():
        (lectures / name).symlink_to(target)
    run(tmp_path)
    nowhere, folder = "a link to a file that is not there", "a link to a folder, which is not followed"
    assert failures(tmp_path) == [
        ("lectures/archive", None, folder), ("lectures/dangling.pdf", None, nowhere),
        ("lectures/gnir.pdf", None, nowhere), ("lectures/loop", None, folder), ("lectures/ring.pdf", None, nowhere),
    ]  # fmt: skip
    assert texts(tmp_path) == {"here": ["What lies in the folder"], "linked": ["What is linked from elsewhere"]}


def test_a_pipe_that_is_called_a_pdf_is_told(tmp_path: Path) -> None:
    write_pages(tmp_path / "lectures/a.pdf", ["A lecture beside the pipe"])
    os.mkfifo(tmp_path / "lectures/pipe.pdf")
    run(tmp_path)
    assert [file for file, _, _ in failures(tmp_path)] == ["lectures/pipe.pdf"]


@pytest.mark.parametrize(
    ("command", "limits", "problem"),
    [
        (b"q Q ", Limits(seconds=3), "took longer than 3 s"),
        (b"0 0 m 9 9 l S\n", Limits(megabytes=100), "PyMuPDF: code="),  # of an allocation that failed
    ],
)
def test_a_page_that_inflates_to_gigabytes_is_lost_alone_and_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: bytes, limits: Limits, problem: str
) -> None:
    monkeypatch.setattr(reading, "LIMITS", limits)
    bomb = write_pages(tmp_path / "lectures/bomb.pdf", ["Before the bomb"], ["Bomb"], ["After it"], ["And on"])
    plant_bomb(bomb, 2, command)
    assert bomb.stat().st_size < 50_000
    write_pages(tmp_path / "lectures/other.pdf", ["A lecture of its own"])
    started = time.monotonic()
    manifest = run(tmp_path)
    assert time.monotonic() - started < 20
    ((file, page, told),) = failures(tmp_path)
    assert (file, page) == ("lectures/bomb.pdf", 2)
    assert told.startswith(problem) and "; pypdf: " in told
    assert texts(tmp_path) == {"bomb": ["Before the bomb", "", "After it", "And on"], "other": ["A lecture of its own"]}
    assert (manifest.counts["blank"], manifest.counts["unaccounted"]) == (1, 0)


def test_a_page_that_mupdf_does_not_survive_is_read_by_pypdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its drawing draws another twenty times, which draws another twenty times, and so on."""
    monkeypatch.setattr(reading, "LIMITS", Limits(seconds=2))
    write_book(tmp_path / "lectures/a.pdf", 3)
    with mupdf.open(tmp_path / "lectures/a.pdf") as document:
        form = document.get_new_xref()
        for depth in range(10):
            document.update_object(form, "<</Type/XObject/Subtype/Form/BBox[0 0 9 9]>>")
            content = b"0 0 m S" if depth == 9 else b"/X Do " * 20
            document.update_stream(form, content, new=True)
            inner = document.get_new_xref()
            document.xref_set_key(form, "Resources/XObject/X", f"{inner} 0 R")
            form = inner
        outermost = form - 10
        page = document[1]
        document.xref_set_key(page.xref, "Resources", "<</Font<</F 3 0 R>>>>")
        document.xref_set_key(page.xref, "Resources/XObject", f"<</X {outermost} 0 R>>")
        content = page.get_contents()[0]
        document.update_stream(content, document.xref_stream(content) + b" /X Do")
        document.saveIncr()
    run(tmp_path)
    assert texts(tmp_path) == {"a": ["Theorem 1 holds", "Theorem 2 holds", "Theorem 3 holds"]}
    reasons = [reading["reason"] for reading in read(tmp_path, "pages.jsonl")]
    assert reasons[1] == "12 letters in the text layer, read by pypdf (took longer than 2 s)"


def test_a_book_of_ten_thousand_pages_is_read_whole(tmp_path: Path) -> None:
    write_book(tmp_path / "lectures/book.pdf", 10_000)
    manifest = run(tmp_path)
    slides = read(tmp_path, "slides.jsonl")
    assert [slide["pages"] for slide in slides] == [[number] for number in range(1, 10_001)]
    assert slides[6788]["blocks"][0]["text"] == "Theorem 6789 holds"
    assert [reading["slide"] for reading in read(tmp_path, "pages.jsonl")] == list(range(1, 10_001))
    assert manifest.counts["failures"] == manifest.counts["unaccounted"] == 0
    assert "lectures/book.pdf has 10,000 pages: a book? Each becomes a slide." in manifest.notes


def write_pptx(path: Path) -> None:
    """Write a deck of three slides: with notes, hidden, with a figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deck = Presentation()
    slide = add_slide(deck, TITLE_AND_CONTENT)
    slide.shapes.title.text = "Backpropagation"
    slide.placeholders[1].text_frame.text = "Errors flow from the output to the input"
    slide.notes_slide.notes_text_frame.text = "Draw the chain rule on the board."
    hidden = add_slide(deck)
    add_text(hidden.shapes, "The solution of exercise three", 40, 40, width=400)
    hidden.element.set("show", "0")
    shown = add_slide(deck)
    add_text(shown.shapes, "Layers stand one behind the other", 40, 40, width=400)
    shown.shapes.add_picture(png("red", (400, 300)), Pt(100), Pt(150), Pt(400), Pt(300))
    deck.save(str(path))


def test_a_course_may_mix_pptx_with_pdf(tmp_path: Path) -> None:
    write_pptx(tmp_path / "lectures/2 networks.pptx")
    write_pages(tmp_path / "lectures/1 intro.pdf", ["Why networks learn"])
    manifest = run(tmp_path)
    assert texts(tmp_path) == {
        "1 intro": ["Why networks learn"],
        "2 networks": [
            "Backpropagation\n• Errors flow from the output to the input\nDraw the chain rule on the board.",
            "The solution of exercise three",
            "Layers stand one behind the other",
        ],
    }
    slides = read(tmp_path, "slides.jsonl")
    assert [slide["hidden"] for slide in slides] == [False, False, True, False]
    assert [block["kind"] for block in slides[1]["blocks"]] == ["text", "text", "note"]
    assert (manifest.counts["pages"], manifest.counts["failures"], manifest.counts["unaccounted"]) == (4, 0, 0)


def test_the_images_of_a_pptx_have_thumbnails_too(tmp_path: Path) -> None:
    write_pptx(tmp_path / "lectures/networks.pptx")
    run(tmp_path)
    _, image = (tmp_path / "1-ingest/images.csv").read_text().splitlines()
    assert (tmp_path / "1-ingest" / image.split(",")[8]).is_file()


def count(text: str) -> int:
    """Count characters as the ledger does: no white space, and no mark of where a line was broken."""
    return len("".join(text.replace("\u00ad", "").split()))


@pytest.mark.parametrize("course", COURSES)
def test_every_character_of_every_real_lecture_is_accounted_for(data: Path, tmp_path: Path, course: str) -> None:
    shutil.copytree(data / course / "slides", tmp_path / "lectures")
    if (data / course / "derived").is_dir():
        shutil.copytree(data / course / "derived", tmp_path / "lectures/derived")
    run(tmp_path)
    kept: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    for slide in read(tmp_path, "slides.jsonl"):
        kept[slide["lecture"]] += sum(count(block["text"]) for block in slide["blocks"])
    for item in read(tmp_path, "removed.jsonl"):
        removed[item["lecture"]] += count(item["text"])
    ledger = read(tmp_path, "ledger.jsonl")
    assert len({row["lecture"] for row in ledger}) == len(ledger) == COURSES[course]
    for row in ledger:
        joined = row["removed"].pop("hyphen at the end of a line", 0)  # stands in no list: its word goes on
        assert row["extracted"] + row["repaired"] == row["kept"] + sum(row["removed"].values()) + joined + row["failed"]
        assert (row["kept"], sum(row["removed"].values())) == (kept[row["lecture"]], removed[row["lecture"]])
        assert row["difference"] == 0
    assert sum(row["extracted"] for row in ledger) > 5_000
