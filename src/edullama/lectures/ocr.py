"""Text of a page image through the tesseract program."""

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
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
from edullama.lectures.pdf import ERRORS, open_pdf
from edullama.lectures.render import even_out, has_ink, is_flat, lighten_bars, paint_over, render
from edullama.records import Box

DPI = 300  # Tesseract's models were trained on letters of this size
TIMEOUT = 120.0  # seconds a page
SLACK = 0.2  # of the size of the font, which is known roughly
SURE_ENOUGH = 40.0  # per cent
MISREAD_BULLET = re.compile(
    r"""^(?:[»«¢°*®■.]|©(?!\s+\d)|["“'‘«]=|e(?=\s+["“„]?[A-ZÄÖÜ]))\s+(?=\S)"""
)  # taken for bullets
MISREAD_COMMENT = re.compile(r"^(?:/f|f/|ff|/{2}\s*/)(?=\s)")  # two strokes, in italics
LINE_LEVEL_COLUMNS = ("block_num", "par_num", "line_num")
LAID_OUT, SPARSE = "3", "11"  # Tesseract's page segmentation: a page; words wherever they stand
SURE_WORD = 50.0  # per cent
SURE_PAGE = 75.0  # of longer words, handwriting stays below 60, printed pages lie above 90
LONG_WORD = 3  # characters
LINE_GAP = 0.9  # of the size of the font
COLUMN_GAP = 1.6  # likewise; words of a line stand closer
INDENT = 0.3  # likewise; what is less is OCR's inaccuracy
OTHER_SIZE = 1.3  # times
BRACKETS = re.compile(r"[{}()\[\];]+")  # alone on a line of code
SQUARE = 1.3  # width by height, at most
LETTER = re.compile(r"[^\W_]")
TALL, LOW = re.compile(r"[^\W_acegmnopqrsuvwxyz]|[äöü()\[\]{}/|]"), re.compile(r"[gjpqyQ()\[\]{}/|,;_]")
X_HEIGHT, ASCENDER, DESCENDER = 0.5, 0.22, 0.2  # of the size of the font
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
            except (subprocess.CalledProcessError, OSError, *ERRORS) as error:
                yield Scan((), f"OCR failed: {_last_words(error)}")


def scan_picture(image: bytes, languages: str) -> Scan:
    """Read the words in a picture that belongs to no PDF."""
    try:
        table = _run_tesseract(image, languages, DPI, SPARSE)
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
    even_out(pixmap)
    if item.box:
        return Scan(_read_labels(_run_tesseract(_save(pixmap), languages, dpi, SPARSE), item.box))
    return make_scan(_look_twice(pixmap, languages, dpi))


def _look_twice(pixmap: Any, languages: str, dpi: int) -> list[Word]:
    """Read a page as Tesseract lays it out, then what that left out or misread: what it takes for pictures, say."""
    first = _read_words(_run_tesseract(_save(pixmap), languages, dpi, LAID_OUT), dpi)
    lines = (list(line) for _, line in groupby(first, key=lambda word: word.place))
    sure = [word for line in lines if _is_sure(line) for word in line]
    paint_over(pixmap, [word.box for word in sure], dpi)
    if not has_ink(pixmap):
        return sure
    second = _read_words(_run_tesseract(_save(pixmap), languages, dpi, SPARSE), dpi)
    return sure + [replace(word, place=(-1, *word.place)) for word in second]


def _is_sure(line: Sequence[Word]) -> bool:
    """Tell whether a line needs no second look; one word in it is often a sign or a symbol."""
    doubtful = sum(word.sure < SURE_WORD for word in line)
    return doubtful <= len(line) // 3 and _is_credible(line)


def make_scan(words: Sequence[Word]) -> Scan:
    """Turn words into fragments in reading order, or into losses where Tesseract is unsure of most."""
    lines = [line for line in _find_lines(words) if _is_credible(line)]
    arranged = arrange(_stack([_read_line(line) for line in lines]), slack=SLACK)
    fragments = tuple(replace(fragment, method="ocr") for fragment in arranged.fragments)
    if lines and _how_sure(lines) < SURE_PAGE:
        return Scan((), lost=tuple(Loss(f.text, UNSURE, f.box) for f in fragments) + arranged.lost)
    return Scan(fragments, lost=arranged.lost)


def _read_labels(table: str, box: Box) -> tuple[Fragment, ...]:
    """Return the words in a figure as one fragment, a line each label; none where they are too few to trust."""
    words = [word for word in _read_words(table, DPI) if word.sure >= SURE_LABEL]
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


def _save(pixmap: Any) -> bytes:
    return bytes(pixmap.tobytes("png"))


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


def _read_words(table: str, dpi: int) -> list[Word]:
    rows = csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [_read_row(row, 72 / dpi) for row in rows if row["level"] == "5" and row["text"].strip()]


def _read_row(row: dict[str, str], scale: float) -> Word:
    left, top, width, height = (int(row[key]) * scale for key in ("left", "top", "width", "height"))
    box = round(left, 1), round(top, 1), round(left + width, 1), round(top + height, 1)
    return Word(tuple(int(row[column]) for column in LINE_LEVEL_COLUMNS), row["text"], float(row["conf"]), box)


def _find_lines(words: Sequence[Word]) -> list[list[Word]]:
    """Join what stands on one line with no wide gap between.

    Tesseract joins columns that stand close to each other, and parts lines at signs that it is unsure of.
    """
    pieces = [run for _, piece in groupby(words, key=lambda word: word.place) for run in _split_at_gaps(list(piece))]
    lines: list[list[Word]] = []
    for piece in sorted(pieces, key=lambda piece: piece[0].box[0]):
        before = next((line for line in reversed(lines) if _goes_on(line, piece)), None)
        if before is None:
            lines.append(piece)
        else:
            before.extend(piece)
    return lines


def _split_at_gaps(words: Sequence[Word]) -> list[list[Word]]:
    """Part what Tesseract takes for one line though a wide gap is in it, such as a title and a logo."""
    wide = COLUMN_GAP * (_size(words) or max(word.box[3] - word.box[1] for word in words))
    runs = [[words[0]]]
    for last, word in pairwise(words):
        if word.box[0] - last.box[2] > wide:
            runs.append([])
        runs[-1].append(word)
    return runs


def _goes_on(line: Sequence[Word], piece: Sequence[Word]) -> bool:
    """Tell whether a piece, which begins no further left, goes on with a line; lone signs are of any size."""
    last, first = union(word.box for word in line), union(word.box for word in piece)
    size, other = _size(line) or _size(piece), _size(piece) or _size(line)
    shared = min(last[3], first[3]) - max(last[1], first[1])
    level = shared > 0.5 * min(last[3] - last[1], first[3] - first[1])
    alike = max(size, other) < OTHER_SIZE * min(size, other)
    return level and alike and -0.5 * size < first[0] - last[2] < COLUMN_GAP * size


def _size(words: Iterable[Word]) -> float:
    """Return the size of the font, from how high letters of their shapes are in most fonts; 0.0 without letters."""
    sizes = [(word.box[3] - word.box[1]) / _share_of_size(word.text) for word in words if LETTER.search(word.text)]
    return median(sizes) if sizes else 0.0


def _share_of_size(text: str) -> float:
    return X_HEIGHT + ASCENDER * bool(TALL.search(text)) + DESCENDER * bool(LOW.search(text))


def _align(lines: Iterable[Line]) -> list[Line]:
    """Let lines begin at one place that begin at nearly one, so that they are sorted from the top."""
    aligned: list[Line] = []
    for line in sorted(lines, key=lambda line: line.box[0]):
        near = aligned and line.box[0] - aligned[-1].box[0] < INDENT * line.size
        left = aligned[-1].box[0] if near else line.box[0]
        aligned.append(replace(line, box=(left, *line.box[1:])))
    return aligned


def _stack(lines: Iterable[Line]) -> list[list[Line]]:
    """Put lines that stand closely one below the other, in letters of one size, into blocks."""
    blocks: list[list[Line]] = []
    for line in sorted(_align(lines), key=lambda line: (line.box[1], line.box[0])):
        above = next((block for block in reversed(blocks) if _follows(block, line)), None)
        if above is None:
            blocks.append([line])
        else:
            above.append(line)
    return blocks


def _follows(block: Sequence[Line], line: Line) -> bool:
    last, left, right = block[-1], min(one.box[0] for one in block), max(one.box[2] for one in block)
    near = -SLACK * line.size < line.box[1] - last.box[3] < LINE_GAP * max(last.size, line.size)
    over = min(right, line.box[2]) > max(left, line.box[0])
    return near and over and max(last.size, line.size) < OTHER_SIZE * min(last.size, line.size)


def _how_sure(lines: Sequence[Sequence[Word]]) -> float:
    """Return how sure Tesseract is of most words; short ones, often strokes, count where there are no others."""
    words = [word for line in lines for word in line]
    return median([word.sure for word in words if len(word.text) >= LONG_WORD] or [word.sure for word in words])


def _is_credible(words: Sequence[Word]) -> bool:
    """Tell whether words are more than strokes of a drawing taken for letters."""
    sure = median(word.sure for word in words)
    if sure >= SURE_PAGE and BRACKETS.fullmatch("".join(word.text for word in words)):
        return True
    return sure >= SURE_ENOUGH and sum(char.isalnum() for word in words for char in word.text) > 1


def _read_line(words: Sequence[Word]) -> Line:
    """Return a line, its box as high as its font, whatever letters it has."""
    said = "".join(word.text for word in words)
    left, top, right, bottom = union(word.box for word in words)
    size = _size(words) or bottom - top
    top -= 0.0 if TALL.search(said) else ASCENDER * size
    bottom += 0.0 if LOW.search(said) else DESCENDER * size
    kept = [word for last, word in zip((None, *words), words, strict=False) if not last or not _is_double(last, word)]
    texts = ["•" if _is_bullet(kept[0]) else kept[0].text, *(word.text for word in kept[1:])]
    said = repair(" ".join(texts))
    text = MISREAD_COMMENT.sub("//", MISREAD_BULLET.sub("• ", said))
    return Line(text, (left, round(top, 1), right, round(bottom, 1)), round(size, 1), mono=False, bold=False)


def _is_double(last: Word, word: Word) -> bool:
    """Tell whether a sign was read twice: an equals sign is two strokes, each of which may be taken for one."""
    return word.text == last.text and (word.text == "=" or word.box[0] < last.box[2])


def _is_bullet(word: Word) -> bool:
    """Tell whether an equals sign is a square bullet: the sign is wider."""
    return word.text == "=" and word.box[2] - word.box[0] < SQUARE * (word.box[3] - word.box[1])
