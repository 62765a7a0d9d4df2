"""Slides that are built up over several pages: which pages show one slide, and what they say in all."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

from edullama.errors import InputError
from edullama.lectures.layout import find_title
from edullama.lectures.pages import HYPHEN, Fragment, Loss, Page
from edullama.lectures.review import Use, read_rows, read_use
from edullama.lectures.slide_kinds import is_outline_title
from edullama.records import Box

Reason = Literal["label", "superset", "union"]
WORDS = re.compile(r"[^\W\d_]{2,}")  # numbers and formulas change from step to step
FEW_WORDS = 6  # fewer do not tell a slide: all signs must stay then, and at their places
MOST_PAGES = 0.5  # a label that more pages bear says nothing
LABELLED = 0.3  # of the words must stay where labels say that it is one slide
STAYS = 0.8  # of a step's words: the others were replaced
FROM_BEFORE = 0.85  # of a step's words, when things vanish; LEAST of those before must stay even so
LEAST = 0.4
BOTH = 0.7  # of the words of either step
FROM_FIRST = 0.95  # of the first step's words: what came in between went again
SAME_PLACE = 0.015  # of the page


@dataclass(frozen=True, slots=True)
class _Step:
    """What a page says, for comparing it with its neighbours."""

    page: Page
    label: str  # "" where labels tell nothing
    title: str
    title_box: Box
    rest: tuple[Fragment, ...]  # all but the title
    words: Counter[str]  # of the rest


def group_steps(pages: Sequence[Page]) -> list[list[int]]:
    """Return indices into a lecture's pages, one group a slide: the steps that build it up stand together."""
    return [group for group, _ in _find_slides(pages)]


def _find_slides(pages: Sequence[Page]) -> list[tuple[list[int], set[Reason]]]:
    """Group pages by slide, and say why those of a group belong together."""
    slides: list[tuple[list[int], set[Reason]]] = []
    lying = _labels_lie(pages)
    first = last = None
    for index, page in enumerate(pages):
        step = _read_step(page, "" if lying else page.label)
        reason = _why_same(first, last, step) if first and last else None
        if reason:
            slides[-1][0].append(index)
            slides[-1][1].add(reason)
        else:
            slides.append(([index], set()))
            first = step
        last = step
    return slides


def _labels_lie(pages: Sequence[Page]) -> bool:
    """Tell whether most pages bear one label; of two or three pages they may well do."""
    return max(Counter(page.label for page in pages).values(), default=0) > max(3, MOST_PAGES * len(pages))


def _read_step(page: Page, label: str) -> _Step:
    title = find_title(page.fragments, page.height)
    rest = tuple(fragment for fragment in page.fragments if fragment is not title)
    words = Counter(WORDS.findall(" ".join([fragment.text for fragment in rest]).replace(HYPHEN, "").casefold()))
    text, box = (" ".join(title.text.split()), title.box) if title else ("", (0.0, 0.0, 0.0, 0.0))
    return _Step(page, label, text, box, rest, words)


def _why_same(first: _Step, last: _Step, step: _Step) -> Reason | None:
    """Say why a page is a further step of the slide whose first and last steps are given, or None if it is not."""
    if last.label and last.label == step.label and _may_be_same(last, step):
        return "label"
    if not step.title or last.title != step.title:
        return None
    if is_outline_title(step.title) and last.words == step.words:  # another section's, with another line marked
        return None
    if _builds_on(last, step) or _comes_back(first, step):
        return "superset" if last.words <= step.words else "union"
    return None


def _may_be_same(last: _Step, step: _Step) -> bool:
    """Tell whether a label may be right: frames that are not counted bear that of the frame before."""
    stays = max(_share(last.words, step.words), _share(step.words, last.words))
    if last.title == step.title:
        return stays >= LABELLED or min(last.words.total(), step.words.total()) < FEW_WORDS
    return stays >= STAYS and min(last.words.total(), step.words.total()) >= FEW_WORDS


def _builds_on(last: _Step, step: _Step) -> bool:
    """Tell whether a page goes on from one with the same title: by its words or, if those are few, by every sign."""
    if last.words.total() < FEW_WORDS:
        return _keeps_all(last, step)
    stays, from_before = _share(last.words, step.words), _share(step.words, last.words)
    if step.words.total() < FEW_WORDS:
        return False
    return stays >= STAYS or (from_before >= FROM_BEFORE and stays >= LEAST) or min(stays, from_before) >= BOTH


def _comes_back(first: _Step, step: _Step) -> bool:
    return first.words.total() >= FEW_WORDS and _share(first.words, step.words) >= FROM_FIRST


def _share(some: Counter[str], others: Counter[str]) -> float:
    """Return the share of some words that others have as well; of no words at all, all."""
    if not some:
        return 1.0
    return sum(min(count, others[word]) for word, count in some.items() if word in others) / some.total()


def _keeps_all(last: _Step, step: _Step) -> bool:
    """Tell whether all that stands on a page with few words stands on the next as well, and some at its old place."""
    if not last.rest:
        return _adds_to_title(last, step)
    signs, others = (Counter(_plain(" ".join([part.text for part in one.rest])).split()) for one in (last, step))
    return signs <= others and any(_stays(part, other, step.page) for part in last.rest for other in step.rest)


def _adds_to_title(last: _Step, step: _Step) -> bool:
    """Tell whether a page adds to one with nothing but a title and pictures; labels, where there are any, would tell."""
    before, now = ({picture.image for picture in one.page.pictures} for one in (last, step))
    adds = bool(before or step.rest) and before <= now
    return adds and not step.label and _at_one_place(last.title_box, step.title_box, step.page)


def _stays(part: Fragment, other: Fragment, page: Page) -> bool:
    return _at_one_place(part.box, other.box, page) and part.text.split()[:1] == other.text.split()[:1]


def _at_one_place(one: Box, other: Box, page: Page) -> bool:
    """Tell whether two boxes begin at the same place."""
    near = abs(one[0] - other[0]) <= SAME_PLACE * page.width
    return near and abs(one[1] - other[1]) <= SAME_PLACE * page.height


Place = tuple[int, ...]  # sorts what is kept: further numbers put what vanished behind what stood before it


@dataclass(frozen=True, slots=True)
class _Piece:
    """Lines of a page that are kept, or that are said again later."""

    fragment: Fragment
    again: int  # the page that says them again; 0: none
    place: Place  # of what is kept of them


@dataclass(frozen=True, slots=True)
class _Later:
    """What the pages after one say."""

    lines: dict[str, tuple[int, Place]]  # page number and place, by plain line
    number: int  # of the next page; so too below
    texts: list[tuple[str, Place]]
    signs: set[str]


def merge_steps(pages: Sequence[Page]) -> tuple[list[tuple[int, Fragment]], list[tuple[int, Loss]]]:
    """Return what one slide says, in reading order, and what its steps say again later, both with page numbers.

    Kept are the last page and the lines that vanished on the way, each behind what stood before it. Every character
    of the pages, drawn or not, is either kept or lost.
    """
    kept: list[tuple[Place, int, Fragment]] = []
    lost: list[tuple[int, Loss]] = []
    later = _Later({}, 0, [], set())
    for page in reversed(pages):
        pieces = _part_page(page, later)
        kept += [(piece.place, page.number, piece.fragment) for piece in pieces if not piece.again]
        lost += [(page.number, _say_again(piece)) for piece in pieces if piece.again]
        later = _put_before(later, page.number, pieces)
    kept.sort(key=lambda one: one[0])
    return [(number, fragment) for _, number, fragment in kept], sorted(lost, key=lambda one: one[0])


def _say_again(piece: _Piece) -> Loss:
    return Loss(piece.fragment.text, f"said again on page {piece.again}", piece.fragment.box)


def _part_page(page: Page, later: _Later) -> list[_Piece]:
    """Part what later pages say again from what they do not."""
    pieces: list[_Piece] = []
    behind: Place = ()  # what stands before, where it is kept
    for fragment in (*page.fragments, *page.invisible):
        for part, said in _part_lines(fragment, later):
            if said is None:
                pieces.append(_Piece(part, 0, (*behind, page.number, len(pieces))))
            else:
                behind = said[1] or behind
                pieces.append(_Piece(part, said[0], behind))
    return pieces


def _part_lines(fragment: Fragment, later: _Later) -> list[tuple[Fragment, tuple[int, Place] | None]]:
    """Cut a fragment into runs of lines, each with the page and place where it is said again."""
    lines = fragment.text.split("\n")
    said: list[tuple[int, Place] | None] = []
    for line in lines:
        goes_with_last = said and said[-1] is None and not WORDS.search(line)  # a bracket, a row of a formula
        said.append(None if goes_with_last else _find(_plain(line), later))
    runs = [list(run) for _, run in groupby(range(len(lines)), key=said.__getitem__)]
    if len(runs) == 1:
        return [(fragment, said[0])]
    return [(_cut(fragment, lines, run[0], run[-1] + 1), said[run[0]]) for run in runs]


def _find(line: str, later: _Later) -> tuple[int, Place] | None:
    """Return page and place where a line stands again, within another maybe, or all its signs if it has no words."""
    if line in later.lines:
        return later.lines[line]
    if WORDS.search(line):
        return next(((later.number, place) for text, place in later.texts if _holds(text, line)), None)
    return (later.number, ()) if later.signs.issuperset(line.split()) and later.number else None


def _holds(text: str, line: str) -> bool:
    at = text.find(line)
    return at >= 0 and not text[at - 1 : at].isalnum() and not text[at + len(line) :][:1].isalnum()


def _plain(text: str) -> str:
    """Return a text without what differs from page to page: line breaks, bullets, full stops."""
    return " ".join(text.replace(HYPHEN, "").split()).removeprefix("• ").rstrip(".,;:!?")


def _cut(fragment: Fragment, lines: Sequence[str], start: int, end: int) -> Fragment:
    left, top, right, bottom = fragment.box
    height = (bottom - top) / len(lines)
    box = (left, top + start * height, right, top + end * height)
    return replace(fragment, text="\n".join(lines[start:end]), box=box)


def _put_before(later: _Later, number: int, pieces: Sequence[_Piece]) -> _Later:
    """Add what a page says to what the pages after it say."""
    for piece in pieces:
        later.lines.update((_plain(line), (number, piece.place)) for line in piece.fragment.text.split("\n"))
    texts = [(_plain(piece.fragment.text), piece.place) for piece in pieces]
    return _Later(later.lines, number, texts, {sign for text, _ in texts for sign in text.split()})


@dataclass(frozen=True, slots=True)
class Steps:
    """Pages that show one slide; `use` is the column that a person edits, and whole rows may be added."""

    lecture: str
    pages: str  # the first and the last; never as "4-6", of which a spreadsheet makes a date
    title: str
    reason: Reason | Literal[""]  # "": a person's row
    rule: Use | Literal[""]  # whether we would take them for one slide
    use: Use  # whether they are


COLUMNS = [column.name for column in fields(Steps)]
PAGES = re.compile(r"(\d+)\D+(\d+)")


def list_steps(pages: Sequence[Page], decisions: Mapping[str, Use]) -> list[Steps]:
    """List the slides of one lecture that are built up; a person's decision about pages ("4 to 6") wins."""
    rows = {}
    for group, reasons in _find_slides(pages):
        if reasons:
            name = f"{pages[group[0]].number} to {pages[group[-1]].number}"
            title = find_title(pages[group[-1]].fragments, pages[group[-1]].height)
            text = " ".join(title.text.replace(HYPHEN, "-").split()) if title else ""
            rows[name] = Steps(pages[0].lecture, name, text, _sum_up(reasons), "yes", decisions.get(name, "yes"))
    added = [Steps(pages[0].lecture, name, "", "", "", use) for name, use in decisions.items() if name not in rows]
    return sorted((*rows.values(), *added), key=lambda row: _ends(row.pages))


def _sum_up(reasons: set[Reason]) -> Reason:
    order: tuple[Reason, ...] = ("union", "superset", "label")  # what to look at most closely comes first
    return next(reason for reason in order if reason in reasons)


def join_steps(pages: Sequence[Page], rows: Iterable[Steps]) -> list[list[int]]:
    """Return indices into a lecture's pages, one group a slide, as the rows' `use` says."""
    joined: set[int] = set()  # numbers of pages that go on with the slide of the page before
    for row in sorted(rows, key=lambda row: (row.rule != "yes", row.use)):  # what a person says comes last, yes wins
        first, last = _ends(row.pages)
        further = range(first + 1, last + 1)
        joined = joined.union(further) if row.use == "yes" else joined.difference(further)
    groups: list[list[int]] = []
    for index, page in enumerate(pages):
        if groups and page.number in joined:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _ends(name: str) -> tuple[int, int]:
    first, last = name.split(" to ")
    return int(first), int(last)


def write_steps(rows: Iterable[Steps]) -> str:
    """Return the list as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, column) for column in COLUMNS] for row in rows)
    return file.getvalue()


def read_step_decisions(path: Path) -> dict[str, dict[str, Use]]:
    """Return by lecture a person's decisions about pages: rows that were added, or whose `use` is not the rule's.

    Raises InputError that names file, row and what is allowed.
    """
    decisions: dict[str, dict[str, Use]] = {}
    for number, row in read_rows(path, {"lecture", "pages", "rule", "use"}) if path.exists() else ():
        use = read_use(row["use"], path, number)
        if use != row["rule"]:
            decisions.setdefault(row["lecture"], {})[_read_pages(row["pages"], path, number)] = use
    return decisions


def _read_pages(value: str | None, path: Path, number: int) -> str:
    match = PAGES.fullmatch((value or "").strip())
    if not match or int(match[1]) >= int(match[2]):
        raise InputError(f"{path}:{number}: pages is {value!r}. Write the first and the last page, such as 4 to 6.")
    return f"{int(match[1])} to {int(match[2])}"
