"""Notes of a table in a text file: tab-separated, CSV, or Anki's text export."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from edullama.dataset.columns import BACK, FRONT, LECTURE, find_column
from edullama.dataset.notes import Note
from edullama.errors import InputError

HEADER = re.compile(r"#([a-z ]+):(.*)")  # Anki's: "#separator:tab", "#deck column:3"
SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "colon": ":", "space": " "}
SPECIAL = ("guid", "notetype", "tags", "deck")  # columns that Anki's headers give by number


def read_table(path: Path) -> list[Note]:
    """Read rows of question and answer; a first row that names the columns chooses them."""
    lines = _read_lines(path)
    headers = {match[1]: match[2] for line in lines if (match := HEADER.match(line))}
    lines = [line for line in lines if not line.startswith("#") and line.strip()]
    separator = _find_separator(headers.get("separator", "").strip(), path, lines)
    rows = _read_rows(lines, separator)
    if not rows:
        return []
    special = {key: int(value) - 1 for key in SPECIAL if (value := headers.get(f"{key} column", "").strip()).isdigit()}
    names = headers["columns"].split(separator) if "columns" in headers else rows[0]
    front, back = find_column(names, FRONT), find_column(names, BACK)
    if front is None or back is None:
        plain = [index for index in range(max(map(len, rows))) if index not in special.values()]
        front, back = (*plain, 0, 1)[:2] if len(plain) >= 2 else (0, 1)
        return [_read_note(row, front, back, special.get("deck")) for row in rows]
    lecture = special.get("deck", find_column(names, LECTURE))
    return [_read_note(row, front, back, lecture) for row in rows if row is not names]


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode("utf-8-sig").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}). Save it as UTF-8.") from None


def _find_separator(named: str, path: Path, lines: Sequence[str]) -> str:
    if named:
        return SEPARATORS.get(named.casefold(), named[0])
    if path.suffix.casefold() != ".csv" or not lines:
        return "\t"
    return max(",;\t", key=lines[0].count)


def _read_rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Read with quotes where they are meant as CSV means them, else as they stand."""
    try:
        return list(csv.reader(lines, delimiter=separator, strict=True))
    except csv.Error:
        return list(csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE))


def _read_note(row: Sequence[str], front: int, back: int, lecture: int | None) -> Note:
    def cell(index: int | None) -> str:
        return row[index] if index is not None and index < len(row) else ""

    problem = "" if len(row) > 1 else "one column only: no answer beside the question"
    return Note(cell(front), cell(back), cell(lecture).strip(), problem)
