"""The images of a course as an editable list: one row an image and lecture, with what to do about it."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import Literal

from edullama.lectures.figures import BACKGROUND
from edullama.lectures.pages import Page, Picture, area, count_letters, overlap
from edullama.lectures.review import Use, read_rows, read_use
from edullama.records import Box

Kind = Literal["figure", "tiles", "drawing", "scan", "logo", "icon", "background"]
UNUSED = ("logo", "icon", "background")
OFTEN = 0.3  # of a lecture's pages
FEWEST_STRETCHES = 3  # of pages with others between them: a slide built up over many pages is one stretch
LOGO_AREA = 0.2  # of the page
ICON_AREA = 0.006
PAPER = 0.5  # of the page: what covers more at one place on many pages lies behind them
SAME_PLACE = 0.8  # of the union, that two boxes share
FEW_LETTERS = 10  # below this a page's text layer does not tell what the page says


@dataclass(frozen=True, slots=True)
class Image:
    """A distinct image of a lecture; `use` is the column that a person edits."""

    lecture: str
    image: str
    kind: Kind
    pages: str
    box: str  # of its first appearance: left, top, right, bottom in shares of the page
    width: int  # pixels; of a drawing, points
    height: int
    area: float  # median share of the page
    thumbnail: str  # file under 1-ingest
    rule: Use  # what we would do
    use: Use  # what is done


COLUMNS = [column.name for column in fields(Image)]
Decisions = Mapping[tuple[str, str], Use]


@dataclass(frozen=True, slots=True)
class _Shown:
    """One appearance of an image."""

    page: Page
    picture: Picture


def list_images(pages: Sequence[Page], decisions: Decisions) -> list[Image]:
    """List the images of one lecture; a person's decision about (lecture, image) wins over the rule."""
    shown: dict[str, list[_Shown]] = defaultdict(list)
    for page in pages:
        for picture in page.pictures:
            shown[picture.image].append(_Shown(page, picture))
    images = [_judge(name, places, len(pages)) for name, places in sorted(shown.items())]
    return [replace(image, use=decisions.get((image.lecture, image.image), image.rule)) for image in images]


def _judge(name: str, places: Sequence[_Shown], page_count: int) -> Image:
    numbers = sorted({shown.page.number for shown in places})
    first = min(places, key=lambda shown: shown.page.number)
    covered = round(median(shown.picture.area for shown in places), 4)
    kind = _tell_kind(places, numbers, covered, page_count)
    rule: Use = "no" if kind in UNUSED else "yes"
    picture = first.picture
    return Image(
        first.page.lecture, name, kind, write_ranges(numbers), _write_box(picture.box, first.page), picture.width,
        picture.height, covered, thumbnail_name(name), rule, rule,
    )  # fmt: skip


def thumbnail_name(image: str) -> str:
    """Return the name of an image's thumbnail under 1-ingest."""
    return f"thumbnails/{image}.jpg"


def _tell_kind(places: Sequence[_Shown], numbers: Sequence[int], covered: float, page_count: int) -> Kind:
    picture = places[0].picture
    whole = _cover(places[0]) if picture.what == "tiles" else covered
    often = len(numbers) >= max(FEWEST_STRETCHES, OFTEN * page_count)
    stretches = count_stretches(numbers)
    if often and covered >= PAPER and _stays(places):
        return "background"
    if max(covered, whole) >= BACKGROUND:
        return "background" if stretches > 1 or often else _tell_full_page(places)
    if (often or stretches >= FEWEST_STRETCHES) and covered < LOGO_AREA and _stays(places):
        return "logo"
    if covered < ICON_AREA:
        return "icon"
    return {"bitmap": "figure", "tiles": "tiles", "vector": "drawing"}[picture.what]  # type: ignore[return-value]


def _tell_full_page(places: Sequence[_Shown]) -> Kind:
    """Tell a scan, on which nothing else is written, from a photograph or a screenshot behind the slide's words."""
    return "figure" if any(count_letters(shown.page.fragments) >= FEW_LETTERS for shown in places) else "scan"


def _cover(shown: _Shown) -> float:
    box = shown.picture.box
    return area(box) / max(1.0, shown.page.width * shown.page.height)


def _stays(places: Sequence[_Shown]) -> bool:
    """Tell whether an image stands at one place on most pages that show it."""
    boxes = Counter(shown.picture.box for shown in places)
    usual = boxes.most_common(1)[0][0]
    return sum(count for box, count in boxes.items() if _same_place(box, usual)) > len(places) / 2


def _same_place(one: Box, other: Box) -> bool:
    shared = overlap(one, other)
    return shared >= SAME_PLACE * (area(one) + area(other) - shared)


def count_stretches(numbers: Sequence[int]) -> int:
    """Count the runs of consecutive numbers."""
    return sum(number - 1 not in numbers[max(0, i - 1) : i] for i, number in enumerate(numbers))


def write_ranges(numbers: Sequence[int]) -> str:
    """Return sorted numbers as "1-3 7"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in ranges)


def _write_box(box: Box, page: Page) -> str:
    sides = (max(1.0, page.width), max(1.0, page.height))
    return " ".join(f"{edge / sides[index % 2]:.3f}" for index, edge in enumerate(box))


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
    decisions = {}
    for number, row in read_rows(path, {"lecture", "image", "rule", "use"}) if path.exists() else ():
        use = read_use(row["use"], path, number)
        if use != row["rule"]:
            decisions[row["lecture"], row["image"]] = use
    return decisions
