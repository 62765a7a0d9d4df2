"""Text of a page image through the tesseract program."""

import csv
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from statistics import median

from edullama.errors import InputError
from edullama.lectures.characters import repair
from edullama.lectures.layout import arrange
from edullama.lectures.pages import Fragment, Line, Scan, union
from edullama.lectures.pdf import render_page
from edullama.records import Box

DPI = 300  # Tesseract's models were trained on letters of this size
TIMEOUT = 120.0  # seconds a page
SURE_ENOUGH = 40.0  # per cent; below it lines are mostly strokes of drawings taken for letters
LINE_LEVEL_COLUMNS = ("block_num", "par_num", "line_num")
Word = dict[str, str]  # a row of Tesseract's table


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


def scan_pages(path: Path, lecture: str, numbers: Sequence[int], languages: str) -> list[Scan]:
    """Read pages (1-based) by their looks. What goes wrong is told in the record."""
    return [_scan_page(path, lecture, number, languages) for number in numbers]


def read_table(table: str) -> tuple[Fragment, ...]:
    """Turn Tesseract's table of words into fragments in reading order."""
    words = [row for row in csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE) if _is_word(row)]
    lines = [(key, _read_line(list(row))) for key, row in groupby(words, key=_line_key)]
    blocks = ([line for _, line in block if line] for _, block in groupby(lines, key=lambda item: item[0][:2]))
    return arrange(block for block in blocks if block)


def _scan_page(path: Path, lecture: str, number: int, languages: str) -> Scan:
    try:
        table = _run_tesseract(render_page(path, number, DPI), languages)
    except subprocess.TimeoutExpired:
        return Scan(lecture, number, (), f"OCR took longer than {TIMEOUT:.0f} s")
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        return Scan(lecture, number, (), f"OCR failed: {_last_words(error)}")
    return Scan(lecture, number, read_table(table))


@cache
def _installed_languages() -> frozenset[str]:
    listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=True)
    return frozenset((listed.stdout + listed.stderr).split())


def _package(language: str) -> str:
    return f"tesseract-ocr-{language.replace('_', '-')}"


def _run_tesseract(image: bytes, languages: str) -> str:
    # One page uses one core: with OpenMP, pages read side by side get in each other's way and take many times as long.
    environment = os.environ | {"OMP_THREAD_LIMIT": "1"}
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(image)
        file.flush()
        command = ["tesseract", file.name, "stdout", "-l", languages, "--dpi", str(DPI), "--psm", "3", "tsv"]
        done = subprocess.run(command, capture_output=True, env=environment, timeout=TIMEOUT, check=True)
    return done.stdout.decode("utf-8", errors="replace")


def _last_words(error: Exception) -> str:
    text = error.stderr.decode(errors="replace") if isinstance(error, subprocess.CalledProcessError) else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[-1]


def _is_word(row: Word) -> bool:
    return row["level"] == "5" and bool(row["text"].strip())


def _line_key(row: Word) -> tuple[int, ...]:
    return tuple(int(row[column]) for column in LINE_LEVEL_COLUMNS)


def _read_line(words: Sequence[Word]) -> Line | None:
    """Join the words of a line, or return None where Tesseract itself hardly believes in them."""
    if median(float(word["conf"]) for word in words) < SURE_ENOUGH:
        return None
    boxes = [_box(word) for word in words]
    size = round(median(b[3] - b[1] for b in boxes), 1)
    return Line(repair(" ".join(word["text"] for word in words)), box, size, mono=False, bold=False)


def _box(word: Word) -> Box:
    left, top, width, height = (int(word[key]) * 72 / DPI for key in ("left", "top", "width", "height"))
    return round(left, 1), round(top, 1), round(left + width, 1), round(top + height, 1)
