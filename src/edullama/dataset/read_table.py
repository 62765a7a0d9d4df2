"""Notes of a table in a text file: tab-separated, CSV, or Anki's text export."""

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from edullama.dataset.card_text import escape_brackets, escape_code
from edullama.dataset.columns import BACK, FRONT, Places, find_column, find_places
from edullama.dataset.notes import Deck, Note
from edullama.dataset.read_text import read_text
from edullama.recipe import Columns

HEADER = re.compile(r"#(separator|html|columns|tags|deck|notetype|(?:tags|deck|notetype|guid) column):(.*)")  # Anki's
SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "colon": ":", "space": " "}
SPECIAL = ("guid", "notetype", "tags", "deck")  # columns that Anki's headers give by number
TWO_SIDED = re.compile(r"\breversed\b|beide richtungen|umgekehrt", re.IGNORECASE)  # Anki's note types
ENOUGH = 0.5  # of a file's rows that have as many columns as most: fewer, and the separator is not one


def read_table(path: Path, columns: Columns) -> Deck:
    """Read rows of question and answer; a first row that names the columns chooses them."""
    text, encoding = read_text(path)
    headers, body = _split_headers(text)
    separator = _find_separator(columns.separator or headers.get("separator", ""), path, body)
    rows = read_rows(body, separator)
    if not rows:
        return Deck([])
    names = next(csv.reader([headers["columns"]], delimiter=separator)) if "columns" in headers else rows[0]
    special = {key: int(value) - 1 for key in SPECIAL if (value := headers.get(f"{key} column", "").strip()).isdigit()}
    places, named = _choose(names, rows, special, columns, path)
    rows = rows[1:] if named and "columns" not in headers else rows
    rows = [[_escape(cell, headers.get("html", "").strip()) for cell in row] for row in rows]
    notes = [note for row in rows for note in _read_notes(row, places, special, headers)]
    how = next((f"{name}-separated" for name, sign in SEPARATORS.items() if sign == separator), f"by {separator!r}")
    odd = "" if encoding.startswith("utf") else f", {encoding}"
    return Deck(notes, f"{how}{odd}, {places.tell(names if named else [])}")


def _escape(cell: str, html: str) -> str:
    if html == "true":
        return cell
    return escape_brackets(cell) if html == "false" else escape_code(cell)


def read_rows(text: str, separator: str) -> list[list[str]]:
    """Read with quotes where they are meant as CSV means them, else as they stand. Leaves comments out."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error:
        rows = [_read_row(line, separator) for line in text.splitlines()]
    return [row for row in rows if any(cell.strip() for cell in row) and not _is_comment(row)]


def _read_row(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return line.split(separator)


def _is_comment(row: Sequence[str]) -> bool:
    """Tell comments from cards on `#include` and the like."""
    return row[0].startswith("#") and (len(row) == 1 or row[0][1:2] in ("", " ", "#", "="))


def _split_headers(text: str) -> tuple[dict[str, str], str]:
    """Return Anki's headers, which stand before the first row, and the rest."""
    headers = {}
    lines = text.splitlines(keepends=True)
    while lines and (match := HEADER.match(lines[0])):
        headers[match[1]] = match[2].strip("\r\n")
        del lines[0]
    return headers, "".join(lines)


def _find_separator(named: str, path: Path, text: str) -> str:
    """Take what is named, else the sign that gives most rows the same number of columns."""
    if named.strip(" ") or named == " ":
        return SEPARATORS.get(named.strip(" ").casefold(), named.strip(" ")[:1] or " ")
    usual = "," if path.suffix.casefold() == ".csv" else "\t"
    if usual == "\t" and "\t" in text:
        return usual
    best = max("\t;|,", key=lambda sign: _agreement(text, sign))
    return best if _agreement(text, best) >= ENOUGH else usual


def _agreement(text: str, separator: str) -> float:
    widths = Counter(len(row) for row in read_rows(text, separator))
    return max((count for width, count in widths.items() if width > 1), default=0) / max(widths.total(), 1)


def _choose(
    names: Sequence[str], rows: Sequence[Sequence[str]], special: Mapping[str, int], columns: Columns, path: Path
) -> tuple[Places, bool]:
    """Return the columns of the sides, and whether the names are names."""
    named = find_column(names, FRONT) is not None and find_column(names, BACK) is not None
    named |= any(isinstance(chosen, str) for chosen in (columns.question, columns.reference, columns.lecture))
    found = find_places(names, columns, path)
    lecture = special.get("deck") if found.lecture is None and "deck" in special else found.lecture
    if not named:
        lecture = lecture if columns.lecture is not None or "deck" in special else None
    sides = _guess_sides(found, rows, special.values()) if not named else (found.question, found.reference)
    return Places(sides[0], sides[1], lecture), named


def _guess_sides(found: Places, rows: Sequence[Sequence[str]], special: Collection[int]) -> tuple[int, int]:
    """Take the first two columns that hold words and that nobody claims."""
    taken = {*special, found.question, found.reference}
    free = [column for column in range(max(map(len, rows))) if column not in taken and _holds_words(rows, column)]
    front = free.pop(0) if found.question is None and free else found.question
    back = free.pop(0) if found.reference is None and free else found.reference
    front = 0 if front is None else front
    return front, front + 1 if back is None else back


def _holds_words(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Tell whether a column holds more than numbers, as one of running numbers does not."""
    return any(not re.fullmatch(r"[\d.,\s]*", row[column]) for row in rows if column < len(row))


def _read_notes(
    row: Sequence[str], places: Places, special: Mapping[str, int], headers: Mapping[str, str]
) -> list[Note]:
    def cell(place: int | None) -> str:
        return row[place].strip() if place is not None and place < len(row) else ""

    problem = "" if len(row) > 1 else "one column only: no answer beside the question"
    lecture = cell(places.lecture) or headers.get("deck", "").strip()
    note = Note(cell(places.question), cell(places.reference), lecture, problem)
    kind = cell(special.get("notetype")) or headers.get("notetype", "")
    wanted = "optional" not in kind.casefold() or bool(cell((places.reference or 0) + 1))
    turned = Note(note.back, note.front, lecture, turned=True)
    return [note, turned] if TWO_SIDED.search(kind) and wanted else [note]
