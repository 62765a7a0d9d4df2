"""The ingest stage on small PDFs made here and on real decks."""

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from edullama.errors import InputError
from edullama.manifest import Manifest
from edullama.recipe import Ingest, Recipe
from edullama.records import Failure, Reading, Slide
from edullama.stages import ingest
from edullama.store import Workspace

mupdf: Any = pymupdf  # its functions have no types


INGEST = """
import sys
from pathlib import Path
from edullama.recipe import Recipe
from edullama.stages import ingest
from edullama.store import Workspace
work = Workspace(Path(sys.argv[1]))
ingest.run(work, Recipe())
"""


def write_deck(path: Path, *pages: str) -> Path:
    """Write a PDF with one text a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mupdf.open() as document:
        for text in pages:
            page = document.new_page(width=400, height=300)
            if text:
                page.insert_text((20, 30), text, fontsize=12)
        document.save(path)
    return path


def run(root: Path, workers: int = 1) -> tuple[Workspace, Manifest]:
    work = Workspace(root)
    return work, ingest.run(work, Recipe(ingest=Ingest(workers=workers, describe="none")))


def outputs(root: Path) -> dict[str, bytes]:
    """Return all files of the finished stage but the manifest, which holds times."""
    folder = root / "1-ingest"
    files = (p for p in sorted(folder.rglob("*.*")) if p.suffix != ".json" and "cache" not in p.name)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def take_pages(source: Path, pages: int, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with mupdf.open(source) as deck, mupdf.open() as part:
        part.insert_pdf(deck, to_page=pages - 1)
        part.save(target)


def test_every_page_becomes_one_slide_with_its_pages(tmp_path: Path) -> None:
    write_deck(tmp_path / "lectures/week1/intro.pdf", "Gradient descent in short", "", "Momentum and its friends")
    work, manifest = run(tmp_path)
    slides = work.read("ingest", "slides.jsonl", Slide)
    assert [(slide.lecture, slide.pages, slide.kind) for slide in slides] == [
        ("week1__intro", (1,), "content"), ("week1__intro", (2,), "blank"), ("week1__intro", (3,), "content"),
    ]  # fmt: skip
    assert slides[0].title == "Gradient descent in short"
    assert manifest.counts["slides"] == 3
    text = (tmp_path / "1-ingest/text/week1__intro.txt").read_text()
    assert "--- page 3 ---\nMomentum and its friends\n" in text


def test_lectures_whose_names_would_be_equal_are_kept_apart(tmp_path: Path) -> None:
    write_deck(tmp_path / "lectures/a/b.pdf", "From the folder called a")
    write_deck(tmp_path / "lectures/a__b.PDF", "From the file called a__b")
    work, _ = run(tmp_path)
    names = {slide.lecture for slide in work.read("ingest", "slides.jsonl", Slide)}
    assert len(names) == 2
    assert all(name.startswith("a__b-") for name in names)


def test_unreadable_files_are_failures_with_advice_and_the_others_pass(tmp_path: Path) -> None:
    lectures = tmp_path / "lectures"
    good = write_deck(lectures / "good.pdf", "Backpropagation step by step")
    (lectures / "empty.pdf").write_bytes(b"")
    (lectures / "page.pdf").write_bytes(b"<html><body>Please log in</body></html>")
    (lectures / "cut.pdf").write_bytes(good.read_bytes()[:300])
    with mupdf.open(good) as document:
        document.save(lectures / "locked.pdf", encryption=mupdf.PDF_ENCRYPT_AES_256, user_pw="x", owner_pw="y")
    work, manifest = run(tmp_path)
    failures = {failure.file: failure for failure in work.read("ingest", "failures.jsonl", Failure)}
    assert sorted(failures) == [f"lectures/{name}.pdf" for name in ("cut", "empty", "locked", "page")]
    assert failures["lectures/locked.pdf"].problem == "encrypted: it opens only with a password"
    assert all(failure.page is None and failure.advice for failure in failures.values())
    assert [slide.lecture for slide in work.read("ingest", "slides.jsonl", Slide)] == ["good"]
    assert manifest.notes[1:] == ["partial: 4 file(s) not read whole, see failures.jsonl"]


def test_a_page_that_nothing_can_read_is_a_failure_and_a_blank_slide(tmp_path: Path) -> None:
    deck = write_deck(tmp_path / "lectures/a.pdf", "The first page is well", "The second is broken")
    with mupdf.open(deck) as document:
        first, second = document.page_xref(0), document.page_xref(1)
        pages = document.xref_get_key(first, "Parent")[1].split()[0]
        document.xref_set_key(int(pages), "Kids", f"[{first} 0 R {second + 900} 0 R]")
        document.saveIncr()
    work, _ = run(tmp_path)
    assert [slide.kind for slide in work.read("ingest", "slides.jsonl", Slide)] == ["content", "blank"]
    (failure,) = work.read("ingest", "failures.jsonl", Failure)
    assert (failure.file, failure.page) == ("lectures/a.pdf", 2)


def test_a_course_without_pdfs_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no PDF there"):
        run(tmp_path)


def test_a_persons_choice_in_images_csv_wins_and_survives(tmp_path: Path) -> None:
    deck = tmp_path / "lectures/a.pdf"
    deck.parent.mkdir()
    with mupdf.open() as document, mupdf.open() as picture:
        picture.new_page(width=400, height=300).insert_text((40, 150), "Attention is all you need", fontsize=24)
        image = picture[0].get_pixmap(dpi=150).tobytes("png")
        document.new_page(width=400, height=300).insert_image((0, 0, 400, 300), stream=image)
        document.save(deck)
    work, first = run(tmp_path)
    assert first.counts["ocr"] == 1
    assert "Attention is all you need" in work.read("ingest", "slides.jsonl", Slide)[0].text
    listed = tmp_path / "1-ingest/images.csv"
    listed.write_text(listed.read_text().replace(".jpg,yes,yes", ".jpg,yes,no"))
    for _ in range(2):
        work, again = run(tmp_path)
        assert again.counts["blank"] == 1
        assert listed.read_text().endswith(".jpg,yes,no\n")


def test_running_feet_are_removed_and_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "lectures/a.pdf"
    path.parent.mkdir()
    with mupdf.open() as document:
        for number in range(1, 6):
            page = document.new_page(width=400, height=300)
            page.insert_text((20, 30), f"Topic {number} of this lecture", fontsize=16)
            page.insert_text((20, 290), f"Winter term | {number}", fontsize=6)
        document.save(path)
    work, manifest = run(tmp_path)
    assert work.read("ingest", "slides.jsonl", Slide)[0].text == "Topic 1 of this lecture"
    assert f"removed: {5 * len('Winterterm|1')} running head or foot" in manifest.notes[0]
    first = json.loads((tmp_path / "1-ingest/removed.jsonl").read_text().splitlines()[0])
    assert (first["page"], first["reason"], first["text"]) == (1, "running head or foot", "Winter term | 1")


@pytest.mark.parametrize("course", ["algo1_kit_de", "dl_schutera_en", "prog2_hsbi_de", "sl_lmu_en"])
def test_every_page_of_every_real_deck_is_one_slide(data: Path, tmp_path: Path, course: str) -> None:
    pages = {"algo1_kit_de": 155, "dl_schutera_en": 712, "prog2_hsbi_de": 335, "sl_lmu_en": 210}[course]
    shutil.copytree(data / course / "slides", tmp_path / "lectures")
    work, manifest = run(tmp_path, workers=2)
    slides = work.read("ingest", "slides.jsonl", Slide)
    readings = work.read("ingest", "pages.jsonl", Reading)
    assert len({(reading.lecture, reading.page) for reading in readings}) == len(readings) == pages
    shown = [(slide.lecture, page) for slide in slides for page in slide.pages]
    assert sorted(shown) == sorted((r.lecture, r.page) for r in readings if r.slide)
    assert manifest.counts["failures"] == manifest.counts["unaccounted"] == 0


def test_real_files_with_quirks_read_or_tell_what_to_do(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "quirks/slides", tmp_path / "lectures")
    for name in ("ownerpw_tutorium07.pdf", "truncated_entropy.pdf"):
        shutil.copy(data / "quirks/derived" / name, tmp_path / "lectures")
    work, _ = run(tmp_path, workers=2)
    failures = {failure.file: failure.problem for failure in work.read("ingest", "failures.jsonl", Failure)}
    assert failures == {
        "lectures/libreoffice-writer-password.pdf": "encrypted: it opens only with a password",
        "lectures/truncated_entropy.pdf": "damaged or cut off: no page can be found",
    }
    assert len(work.read("ingest", "pages.jsonl", Reading)) == 14 + 14 + 3


def count_cached(root: Path) -> int:
    """Return how many results a run has put into its cache by now."""
    path = root / "1-ingest/cache.sqlite"
    if not path.exists():
        return 0
    with contextlib.suppress(sqlite3.OperationalError), sqlite3.connect(path) as database:
        return int(database.execute("SELECT count(*) FROM results").fetchone()[0])
    return 0


def run_and_kill(root: Path, results: int) -> None:
    """Run the stage in a process of its own and kill it once its cache holds so many results."""
    process = subprocess.Popen([sys.executable, "-c", INGEST, str(root)], start_new_session=True)
    while process.poll() is None and count_cached(root) < results:
        time.sleep(0.02)
    process.kill()
    process.wait()


def test_killed_in_the_middle_and_run_again_it_goes_on_to_the_same_bytes(data: Path, tmp_path: Path) -> None:
    scan = data / "quirks/derived/scan_lambdas_150dpi_gray.pdf"
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    for root in (whole, killed):
        take_pages(scan, 4, root / "lectures/scan.pdf")
        write_deck(root / "lectures/text.pdf", "A deck with a text layer")
    run(whole, workers=2)
    run_and_kill(killed, results=8)
    assert not (killed / "1-ingest/manifest.json").exists()
    assert count_cached(killed) >= 8
    run(killed)
    assert outputs(killed) == outputs(whole)


def test_reading_lectures_never_loads_torch(tmp_path: Path) -> None:
    write_deck(tmp_path / "lectures/a.pdf", "Gradient descent in short")
    code = INGEST + "from edullama.stages import prepare; prepare.run(work, Recipe()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0
