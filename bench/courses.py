"""Courses to measure on: real decks, copied into a fresh folder, and what `edullama ingest` made of them."""

import csv
import itertools
import json
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pymupdf

from watching import Run, watch

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"  # real courses, beside the project where there are any
SAMPLE = ROOT / "examples" / "course" / "lectures"
NO_OCR = '[ingest]\ndescribe = "none"\nocr = "never"\n'
PAGE_BY_PAGE = "overlays = false\n"  # a recipe's further line
WITH_OCR = '[ingest]\ndescribe = "none"\n'
DEFAULT = ""
READ, PARTIAL = 0, 3  # exit codes: all read, some files not
mupdf: Any = pymupdf  # its functions have no types
mupdf.TOOLS.mupdf_display_errors(False)
mupdf.TOOLS.mupdf_display_warnings(False)


@dataclass(frozen=True, slots=True)
class Deck:
    """A PDF whose pages can be counted."""

    path: Path
    pages: int


def default_lectures() -> Path:
    """Return where lectures are: the real courses, else the sample course."""
    return DATA if any(DATA.glob("*/slides/*.pdf")) else SAMPLE


def find_decks(folder: Path) -> list[Deck]:
    """Return the born-digital PDFs of a folder, or of the courses in it; handwriting and scans are left out."""
    paths = [*folder.glob("*.pdf"), *folder.glob("*/slides/*.pdf")]
    printed = [path for path in sorted(paths) if "handwritten" not in str(path.parent)]
    decks = [Deck(path, pages) for path in printed if (pages := _born_digital(path))]
    if not decks:
        raise SystemExit(f"{folder}: no born-digital PDF there")
    return decks


def _born_digital(path: Path) -> int:
    """Return the number of pages, or 0 where more than a tenth of them has no text layer."""
    with mupdf.open(path) as document:
        if document.needs_pass:
            return 0
        worded = sum(bool(page.get_text().strip()) for page in document)
        return len(document) if worded > 0.9 * len(document) else 0


@contextmanager
def new_course(recipe: str) -> Iterator[Path]:
    """Make an empty course, and clear it away in the end."""
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder) / "course"
        (course / "lectures").mkdir(parents=True)
        (course / "course.toml").write_text(recipe)
        yield course


def add_copies(course: Path, decks: Sequence[Deck]) -> list[Path]:
    """Copy decks into a course, each with a name and bytes never seen before: no cache can know them."""
    copies = []
    for number, deck in enumerate(decks):
        copies.append(course / "lectures" / f"{deck.path.stem}-{number}.pdf")
        shutil.copyfile(deck.path, copies[-1])
        with copies[-1].open("ab") as file:
            file.write(f"\n%copy {uuid.uuid4().hex}\n".encode())
    return copies


def command(course: Path) -> list[str]:
    return [sys.executable, "-m", "edullama", "ingest", str(course)]


def ingest(course: Path) -> Run:
    """Read a course's lectures."""
    run = watch(command(course))
    if run.code not in (READ, PARTIAL):
        raise SystemExit(f"edullama ingest ended with {run.code}:\n{run.errors[-2000:]}")
    return run


def read_jsonl(course: Path, name: str) -> list[dict[str, Any]] | None:
    """Return the records of one of ingest's files, or None (and say so) where it is not there."""
    path = course / "1-ingest" / name
    if not path.exists():
        _say_absent(name)
        return None
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def read_csv(course: Path, name: str) -> list[dict[str, str]] | None:
    """Return the rows of one of ingest's tables, or None (and say so) where it is not there."""
    path = course / "1-ingest" / name
    if not path.exists():
        _say_absent(name)
        return None
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def have(records: Sequence[dict[str, Any]], key: str, name: str) -> bool:
    """Tell whether records have a field; says so where they have not."""
    known = all(key in record for record in records)
    if not known:
        _say_absent(f"{name}: {key}")
    return known


@cache
def _say_absent(what: str) -> None:
    """Say it once."""
    print(f"1-ingest/{what} is not there: what rests on it is not measured", file=sys.stderr)


def read_slides(course: Path) -> list[dict[str, Any]]:
    """Return the slides that ingest made."""
    slides = read_jsonl(course, "slides.jsonl")
    if slides is None:
        raise SystemExit("edullama ingest wrote no slides.jsonl")
    return slides


def text_by_page(slides: Sequence[dict[str, Any]]) -> dict[tuple[str, int], str]:
    """Return by lecture and page what the page's slide says."""
    texts = ((slide, "\n".join(block["text"] for block in slide["blocks"])) for slide in slides)
    return {(slide["lecture"], page): text for slide, text in texts for page in slide["pages"]}


def fill(decks: Sequence[Deck], pages: int) -> list[Deck]:
    """Return decks of about so many pages in all, again and again the same ones where there are too few."""
    chosen: list[Deck] = []
    left = pages
    for deck in itertools.cycle(decks):
        if left < min(deck.pages for deck in decks):
            return chosen
        if deck.pages <= left:
            chosen.append(deck)
            left -= deck.pages
    return chosen
