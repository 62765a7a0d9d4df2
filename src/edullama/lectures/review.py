"""Lists that a person edits in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from edullama.errors import InputError

Use = Literal["yes", "no"]


def write_rows(rows: Iterable[object], columns: Sequence[str]) -> str:
    """Return records as CSV, one a row."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([getattr(row, column) for column in columns] for row in rows)
    return file.getvalue()


def read_rows(path: Path, columns: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a CSV file with the line where each ends; it must have `columns`, and may have more.

    Raises InputError that says what is wrong with the file.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f'{path}: not UTF-8. Save it as "CSV UTF-8", or delete it to start afresh.') from None
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)  # spreadsheets save with what their country uses
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    missing = set(columns) - set(reader.fieldnames or ())
    if missing:
        raise InputError(f"{path}: no column {', '.join(sorted(missing))}. Put it back, or delete the file.")
    return [(reader.line_num, row) for row in reader if any(row.values())]  # spreadsheets leave empty rows behind


def read_use(value: str | None, path: Path, number: int) -> Use:
    """Return what a person wrote into the column `use`. Raises InputError for anything but yes and no."""
    match (value or "").strip().casefold():
        case "yes":
            return "yes"
        case "no":
            return "no"
    raise InputError(f"{path}:{number}: use is {value!r}. Write yes or no.")
