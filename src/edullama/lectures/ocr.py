"""Text of a page image through the tesseract program."""

import csv
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median

from edullama.errors import InputError
from edullama.lectures.characters import repair
from edullama.lectures.layout import COLUMN_GAP, arrange
from edullama.lectures.pages import Fragment, Line, Scan, union
from edullama.lectures.pdf import render_page
from edullama.records import Box

DPI = 300  # Tesseract's models were trained on letters of this size
TIMEOUT = 120.0  # seconds a page
SLACK = 0.5  # letter heights: boxes here end with the letters, so lines with and without a "g" seem unevenly spaced
SURE_ENOUGH = 40.0  # per cent
MISREAD_BULLET = re.compile(r"""^(?:[»«¢°*©®■.]|["“'‘]=|[=e](?=\s+[A-ZÄÖÜ]))\s+(?=\S)""")  # what bullets are taken for
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


def _scan_page(path: Path, lecture: str, number: int, languages: str) -> Scan:
    try:
        table = _run_tesseract(render_page(path, number, DPI), languages)
    except subprocess.TimeoutExpired:
        return Scan(lecture, number, (), f"OCR took longer than {TIMEOUT:.0f} s")
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        return Scan(lecture, number, (), f"OCR failed: {_last_words(error)}")
    return Scan(lecture, number, read_table(table))


def read_table(table: str) -> tuple[Fragment, ...]:
    """Turn Tesseract's table of words into fragments in reading order."""
    words = [row for row in csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE) if _is_word(row)]
    blocks = (list(block) for _, block in groupby(words, key=lambda row: _place(row)[:2]))
    return arrange([lines for block in blocks for lines in _read_block(block)], slack=SLACK)


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
        command = [
            "tesseract",
            file.name,
            "stdout",
            "-l",
            _english_last(languages),
            "--dpi",
            str(DPI),
            "--psm",
            "3",
            "tsv",
        ]
        done = subprocess.run(command, capture_output=True, env=environment, timeout=TIMEOUT, check=True)
    return done.stdout.decode("utf-8", errors="replace")


def _english_last(languages: str) -> str:
    """Order languages: with English first Tesseract reads "fiir" for "für"; with German first it loses nothing."""
    return "+".join(sorted(languages.split("+"), key=lambda language: language == "eng"))


def _last_words(error: Exception) -> str:
    text = error.stderr.decode(errors="replace") if isinstance(error, subprocess.CalledProcessError) else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[-1]


def _is_word(row: Word) -> bool:
    return row["level"] == "5" and bool(row["text"].strip())


def _place(row: Word) -> tuple[int, ...]:
    return tuple(int(row[column]) for column in LINE_LEVEL_COLUMNS)


def _read_block(block: Sequence[Word]) -> list[list[Line]]:
    """Return the lines of a block, rows of a table each apart, without what is not credible."""
    lines = (_split_at_gaps(list(words)) for _, words in groupby(block, key=_place))
    kept = [runs for line in lines if (runs := [run for run in line if _is_credible(run)])]
    parts = (list(part) for _, part in groupby(enumerate(kept), key=lambda item: len(item[1]) > 1 and item[0]))
    return [[_read_line([word for run in runs for word in run]) for _, runs in part] for part in parts]


def _split_at_gaps(words: Sequence[Word]) -> list[list[Word]]:
    """Part what Tesseract takes for one line though a wide gap is in it, such as a title and a logo."""
    wide = COLUMN_GAP * max(_box(word)[3] - _box(word)[1] for word in words)
    runs = [[words[0]]]
    for last, word in pairwise(words):
        if _box(word)[0] - _box(last)[2] > wide:
            runs.append([])
        runs[-1].append(word)
    return runs


def _is_credible(words: Sequence[Word]) -> bool:
    """Tell whether words are more than strokes of a drawing taken for letters."""
    sure = median(float(word["conf"]) for word in words) >= SURE_ENOUGH
    return sure and sum(char.isalnum() for word in words for char in word["text"]) > 1


def _read_line(words: Sequence[Word]) -> Line:
    boxes = [_box(word) for word in words]
    size = round(median(b[3] - b[1] for b in boxes), 1)
    text = MISREAD_BULLET.sub("• ", repair(" ".join(word["text"] for word in words)))
    return Line(text, union(boxes), size, mono=False, bold=False)


def _box(word: Word) -> Box:
    left, top, width, height = (int(word[key]) * 72 / DPI for key in ("left", "top", "width", "height"))
    return round(left, 1), round(top, 1), round(left + width, 1), round(top + height, 1)
