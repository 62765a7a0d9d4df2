"""The images of a course as an editable list: one row an image and lecture, with what to do about it."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import Literal

from edullama.errors import InputError
from edullama.lectures.pages import Page, Picture

Use = Literal["yes", "no"]
Kind = Literal["logo", "figure", "scan"]
LOGO_PAGES = 0.5  # of a lecture's pages
LOGO_FEWEST = 3
LOGO_AREA = 0.2  # of the page
SCAN_AREA = 0.8


@dataclass(frozen=True, slots=True)
class Image:
    """A distinct image of a lecture; `use` is the column that a person edits."""

    lecture: str
    image: str
    pages: str
    width: int  # pixels
    height: int
    area: float  # median share of the page
    kind: Kind
    rule: Use  # what we would do
    use: Use  # what is done


COLUMNS = [column.name for column in fields(Image)]
Decisions = Mapping[tuple[str, str], Use]


def list_images(pages: Iterable[Page], decisions: Decisions) -> list[Image]:
    """List the images of lectures; a person's decision about (lecture, image) wins over the rule."""
    counts: dict[str, int] = defaultdict(int)
    shown: dict[tuple[str, str], list[tuple[int, Picture]]] = defaultdict(list)
    for page in pages:
        counts[page.lecture] += 1
        for picture in page.pictures:
            shown[page.lecture, picture.image].append((page.number, picture))
    images = [_judge(key, places, counts[key[0]]) for key, places in sorted(shown.items())]
    return [replace(image, use=decisions.get((image.lecture, image.image), image.rule)) for image in images]


def _judge(key: tuple[str, str], places: Sequence[tuple[int, Picture]], page_count: int) -> Image:
    numbers = sorted({number for number, _ in places})
    area = round(median(picture.area for _, picture in places), 4)
    kind = _tell_kind(len(numbers), page_count, area)
    rule: Use = "no" if kind == "logo" else "yes"
    picture = places[0][1]
    return Image(*key, write_ranges(numbers), picture.width, picture.height, area, kind, rule, rule)


def _tell_kind(shown_on: int, page_count: int, area: float) -> Kind:
    if shown_on >= max(LOGO_FEWEST, LOGO_PAGES * page_count) and area < LOGO_AREA:
        return "logo"
    return "scan" if area >= SCAN_AREA else "figure"


def write_ranges(numbers: Sequence[int]) -> str:
    """Return sorted numbers as "1-3 7"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in ranges)


def write_images(images: Iterable[Image]) -> str:
    """Return the list as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(image, column) for column in COLUMNS] for image in images)
    return file.getvalue()


def read_decisions(path: Path) -> dict[tuple[str, str], Use]:
    """Return a person's decisions: the rows of an earlier list whose `use` is not what the rule says.

    Raises InputError that names file, row and the values allowed.
    """
    if not path.exists():
        return {}
    rows = _read_rows(path)
    decisions = {}
    for number, row in rows:
        use = _read_use(row["use"], path, number)
        if use != row["rule"]:
            decisions[row["lecture"], row["image"]] = use
    return decisions


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f'{path}: not UTF-8. Save it as "CSV UTF-8", or delete it to start afresh.') from None
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)  # spreadsheets save with what their country uses
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    missing = {"lecture", "image", "rule", "use"} - set(reader.fieldnames or ())
    if missing:
        raise InputError(f"{path}: no column {', '.join(sorted(missing))}. Put it back, or delete the file.")
    return [(reader.line_num, row) for row in reader]


def _read_use(value: str | None, path: Path, number: int) -> Use:
    match (value or "").strip().casefold():
        case "yes":
            return "yes"
        case "no":
            return "no"
    raise InputError(f"{path}:{number}: use is {value!r}. Write yes or no.")
