"""Text of a page image through the tesseract program."""

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median
from typing import Any

from edullama.errors import InputError
from edullama.lectures.characters import repair
from edullama.lectures.layout import arrange
from edullama.lectures.pages import Fragment, Line, Loss, Scan, union
from edullama.lectures.pdf import open_pdf
from edullama.lectures.render import is_flat, lighten_bars, render
from edullama.lectures.rows import COLUMN_GAP
from edullama.records import Box

DPI = 300  # Tesseract's models were trained on letters of this size
TIMEOUT = 120.0  # seconds a page
SLACK = 0.5  # letter heights: boxes here end with the letters, so lines with and without a "g" seem unevenly spaced
SURE_ENOUGH = 40.0  # per cent
MISREAD_BULLET = re.compile(r"""^(?:[»«¢°*©®■.]|["“'‘]=|[=e](?=\s+[A-ZÄÖÜ]))\s+(?=\S)""")  # what bullets are taken for
LINE_LEVEL_COLUMNS = ("block_num", "par_num", "line_num")
PAGE_MODE, FIGURE_MODE = "3", "11"  # Tesseract's page segmentation: a laid out page; words wherever they stand
SURE_PAGE = 75.0  # handwriting stays below 61, printed pages lie above 90
UNSURE = "OCR too unsure to be trusted, as of handwriting"
SURE_LABEL = 70.0  # per cent: strokes of a drawing are taken for letters more easily than those of a page
FEWEST_LETTERS = 8  # in a figure: fewer are axis ticks and misread strokes
LABEL = re.compile(r"[^\W\d_]{3}")


@dataclass(frozen=True, slots=True)
class Word:
    """A row of Tesseract's table."""

    place: tuple[int, ...]  # block, paragraph, line
    text: str
    sure: float  # per cent; -1 for what is no word
    box: Box  # points


def check_tesseract(languages: str) -> None:
    """Raise InputError that tells how to install what is missing: the program, or one of the languages."""
    wanted = languages.split("+")
    if shutil.which("tesseract") is None:
        packages = " ".join(_package(language) for language in wanted)
        raise InputError(
            "a page without a text layer needs Tesseract, which is not installed. "
            f"Run: sudo apt-get install tesseract-ocr {packages}"
        )
    missing = [language for language in wanted if language not in _installed_languages()]
    if missing:
        raise InputError(
            f'ingest.ocr_languages = "{languages}": Tesseract has no {", ".join(missing)}. '
            f"Run: sudo apt-get install {' '.join(_package(language) for language in missing)}"
        )


@dataclass(frozen=True, slots=True)
class Place:
    """What OCR is to look at."""

    number: int  # page, 1-based
    box: Box | None  # a figure on it; None: all of it
    blank_text: bool  # paint over what the text layer says already


def scan(path: Path, password: str, languages: str, items: Sequence[Place]) -> Iterator[Scan]:
    """Yield what stands in each of the places, read by its looks. What goes wrong is told in the record."""
    with open_pdf(path, password) as document:
        for item in items:
            try:
                yield _scan(document, item, languages)
            except subprocess.TimeoutExpired:
                yield Scan((), f"OCR took longer than {TIMEOUT:.0f} s")
            except (subprocess.CalledProcessError, RuntimeError, OSError, ValueError) as error:
                yield Scan((), f"OCR failed: {_last_words(error)}")


def scan_picture(image: bytes, languages: str) -> Scan:
    """Read the words in a picture that belongs to no PDF."""
    try:
        table = _run_tesseract(image, languages, DPI, FIGURE_MODE)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError, OSError) as error:
        return Scan((), f"OCR failed: {_last_words(error)}")
    return Scan(_read_labels(table, (0.0, 0.0, 0.0, 0.0)))


def _scan(document: Any, item: Place, languages: str) -> Scan:
    pixmap = render(document, item.number, item.box, DPI, blank_text=item.blank_text)
    if is_flat(pixmap):
        return Scan(())
    page = document[item.number - 1].rect
    dpi = round(pixmap.width / ((item.box[2] - item.box[0]) if item.box else page.width) * 72)
    lighten_bars(pixmap)
    image = bytes(pixmap.tobytes("png"))
    if item.box:
        return Scan(_read_labels(_run_tesseract(image, languages, dpi, FIGURE_MODE), item.box))
    return read_table(_run_tesseract(image, languages, dpi, PAGE_MODE), dpi)


def read_table(table: str, dpi: int = DPI) -> Scan:
    """Turn Tesseract's table of words into fragments in reading order, or losses where it is unsure of most words."""
    words = [row for row in _rows(table, dpi) if _is_word(row)]
    blocks = (list(block) for _, block in groupby(words, key=lambda row: row.place[:2]))
    arranged = arrange([lines for block in blocks for lines in _read_block(block)], slack=SLACK)
    fragments = tuple(replace(fragment, method="ocr") for fragment in arranged.fragments)
    if words and median(word.sure for word in words) < SURE_PAGE:
        return Scan((), lost=tuple(Loss(f.text, UNSURE, f.box) for f in fragments) + arranged.lost)
    return Scan(fragments, lost=arranged.lost)


def _read_labels(table: str, box: Box) -> tuple[Fragment, ...]:
    """Return the words in a figure as one fragment, a line each label; none where they are too few to trust."""
    words = [row for row in _rows(table, DPI) if _is_word(row) and row.sure >= SURE_LABEL]
    lines = [repair(" ".join(word.text for word in line)) for _, line in groupby(words, key=lambda row: row.place)]
    labels = [line for line in lines if LABEL.search(line)]
    letters = sum(char.isalpha() for label in labels for char in label)
    return (Fragment("\n".join(labels), box, 0.0, "figure", "ocr"),) if letters >= FEWEST_LETTERS else ()


@cache
def _installed_languages() -> frozenset[str]:
    listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=True)
    return frozenset((listed.stdout + listed.stderr).split())


def _package(language: str) -> str:
    return f"tesseract-ocr-{language.replace('_', '-')}"


def _run_tesseract(image: bytes, languages: str, dpi: int, mode: str) -> str:
    # One page uses one core: with OpenMP, pages read side by side get in each other's way and take many times as long.
    environment = os.environ | {"OMP_THREAD_LIMIT": "1"}
    options = ["-l", _english_last(languages), "--dpi", str(dpi), "--psm", mode, "tsv"]
    command = ["tesseract", "stdin", "stdout", *options]
    done = subprocess.run(command, input=image, capture_output=True, env=environment, timeout=TIMEOUT, check=True)
    return done.stdout.decode("utf-8", errors="replace")


def _english_last(languages: str) -> str:
    """Order languages: with English first Tesseract reads "fiir" for "für"; with German first it loses nothing."""
    return "+".join(sorted(languages.split("+"), key=lambda language: language == "eng"))


def _last_words(error: Exception) -> str:
    text = error.stderr.decode(errors="replace") if isinstance(error, subprocess.CalledProcessError) else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[-1]


def _rows(table: str, dpi: int) -> list[Word]:
    rows = csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [_read_row(row, 72 / dpi) for row in rows if row["level"] == "5"]


def _read_row(row: dict[str, str], scale: float) -> Word:
    left, top, width, height = (int(row[key]) * scale for key in ("left", "top", "width", "height"))
    box = round(left, 1), round(top, 1), round(left + width, 1), round(top + height, 1)
    return Word(tuple(int(row[column]) for column in LINE_LEVEL_COLUMNS), row["text"], float(row["conf"]), box)


def _is_word(row: Word) -> bool:
    return bool(row.text.strip())


def _read_block(block: Sequence[Word]) -> list[list[Line]]:
    """Return the lines of a block, rows of a table each apart, without what is not credible."""
    lines = (_split_at_gaps(list(words)) for _, words in groupby(block, key=lambda row: row.place))
    kept = [runs for line in lines if (runs := [run for run in line if _is_credible(run)])]
    parts = (list(part) for _, part in groupby(enumerate(kept), key=lambda item: len(item[1]) > 1 and item[0]))
    return [[_read_line([word for run in runs for word in run]) for _, runs in part] for part in parts]


def _split_at_gaps(words: Sequence[Word]) -> list[list[Word]]:
    """Part what Tesseract takes for one line though a wide gap is in it, such as a title and a logo."""
    wide = COLUMN_GAP * max(word.box[3] - word.box[1] for word in words)
    runs = [[words[0]]]
    for last, word in pairwise(words):
        if word.box[0] - last.box[2] > wide:
            runs.append([])
        runs[-1].append(word)
    return runs


def _is_credible(words: Sequence[Word]) -> bool:
    """Tell whether words are more than strokes of a drawing taken for letters."""
    sure = median(word.sure for word in words) >= SURE_ENOUGH
    return sure and sum(char.isalnum() for word in words for char in word.text) > 1


def _read_line(words: Sequence[Word]) -> Line:
    boxes = [word.box for word in words]
    size = round(median(box[3] - box[1] for box in boxes), 1)
    text = MISREAD_BULLET.sub("• ", repair(" ".join(word.text for word in words)))
    return Line(text, union(boxes), size, mono=False, bold=False)
