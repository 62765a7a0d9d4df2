"""Slides that are built up over several pages: which pages show one slide, and what they say in all."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Literal

from edullama.errors import InputError
from edullama.lectures.layout import find_title
from edullama.lectures.pages import HYPHEN, Fragment, Loss, Page, Picture
from edullama.lectures.review import Use, read_rows, read_use, write_rows
from edullama.lectures.slide_kinds import is_outline_title
from edullama.records import Box

Reason = Literal["label", "superset", "union"]
WORDS = re.compile(r"[^\W\d_]{2,}")  # numbers and formulas change from step to step
FEW_WORDS = 8  # fewer do not tell a slide: all signs must stay then, and at their places
MOST_PAGES = 0.5  # a label that more pages bear says nothing
LABELLED = 0.3  # of the words must stay where labels say that it is one slide
STAYS = 0.72  # of a step's words: the others were replaced
FROM_BEFORE = 0.85  # of a step's words, when things vanish; LEAST of those before must stay even so
LEAST = 0.5
BOTH = 0.7  # of the words of either step
HALF_REPLACED = 0.4  # of either, where one part alone was replaced and FEW_LINES or more have stayed
FEW_LINES = 3
UNFOLDED = 0.28  # of the words of either step, and HALF of one, or MANY_LINES whole
HALF = 0.5
MANY_LINES = 4
FROM_FIRST = 0.95  # of the first step's words: what came in between has gone
SAME_PLACE = 0.015  # of the page


@dataclass(frozen=True, slots=True)
class _Step:
    """What a page says, for comparing it with its neighbours."""

    page: Page
    title: str
    title_box: Box
    rest: tuple[Fragment, ...]  # all but the title
    words: Counter[str]  # of the rest


def group_steps(pages: Sequence[Page]) -> list[list[int]]:
    """Return indices into a lecture's pages, one group a slide: the steps that build it up stand together."""
    return [group for group, _ in _find_slides(pages)]


def _find_slides(pages: Sequence[Page]) -> list[tuple[list[int], set[Reason]]]:
    """Group pages by slide, and say why those of a group belong together."""
    often = max(Counter(page.label for page in pages).values(), default=0)
    trusted = often <= max(3, MOST_PAGES * len(pages))  # three pages may well be one slide
    slides: list[tuple[list[int], set[Reason]]] = []
    first: _Step | None = None
    last: _Step | None = None
    for index, page in enumerate(pages):
        step = _read_step(page)
        reason = _why_same(first, last, step, trusted) if first and last else None
        if reason:
            slides[-1][0].append(index)
            slides[-1][1].add(reason)
        else:
            slides.append(([index], set()))
            first = step
        last = step
    return slides


def _read_step(page: Page) -> _Step:
    title = find_title(page.fragments, page.height)
    rest = tuple(fragment for fragment in page.fragments if fragment is not title)
    words = Counter(WORDS.findall(" ".join([fragment.text for fragment in rest]).replace(HYPHEN, "").casefold()))
    text, box = (" ".join(title.text.split()), title.box) if title else ("", (0.0, 0.0, 0.0, 0.0))
    return _Step(page, text, box, rest, words)


def _why_same(first: _Step, last: _Step, step: _Step, trusted: bool) -> Reason | None:
    """Say why a page is a further step of the slide whose first and last steps are given, or None if it is not."""
    if trusted and last.page.label and last.page.label == step.page.label and _may_be_same(last, step):
        return "label"
    if not step.title or last.title != step.title:
        return None
    if is_outline_title(step.title) and last.words == step.words:  # another section's, with another line marked
        return None
    returns = first.words.total() >= FEW_WORDS and _share(first.words, step.words) >= FROM_FIRST
    if returns or _builds_on(last, step):
        return "superset" if last.words <= step.words else "union"
    return None


def _may_be_same(last: _Step, step: _Step) -> bool:
    """Tell whether a label may be right: frames that are not counted bear that of the frame before."""
    few = min(last.words.total(), step.words.total()) < FEW_WORDS
    stays = max(_share(last.words, step.words), _share(step.words, last.words))
    return few or stays >= LABELLED if last.title == step.title else not few and stays >= STAYS


def _builds_on(last: _Step, step: _Step) -> bool:
    """Tell whether a page goes on from one with the same title: by its words or, if those are few, by every sign."""
    if last.words.total() < FEW_WORDS:
        return _keeps_all(last, step)
    stays, from_before = _share(last.words, step.words), _share(step.words, last.words)
    if stays >= STAYS or (from_before >= FROM_BEFORE and stays >= LEAST) or min(stays, from_before) >= BOTH:
        return True
    if min(stays, from_before) >= HALF_REPLACED and _replaces_one_part(last, step):
        return True
    return _unfolds(last, step, min(stays, from_before), max(stays, from_before))


def _unfolds(last: _Step, step: _Step, least: float, most: float) -> bool:
    """Tell whether a list stays, greyed out, while one of its points after the other is opened up."""
    if step.page.label:  # where there are labels, they would tell
        return False
    if least >= UNFOLDED and most >= HALF and any(part.faded for part in (*last.rest, *step.rest)):
        return True
    before, now = ({_plain(line) for line in _lines(one.rest)} for one in (last, step))
    if least >= UNFOLDED and len(before & now) >= MANY_LINES:
        return True
    grey, grey_now = (
        {_plain(line) for line in _lines(part for part in one.rest if part.faded)} for one in (last, step)
    )
    return bool(grey and grey_now) and grey <= now and grey_now <= before


def _lines(parts: Iterable[Fragment]) -> Iterator[str]:
    return (line for part in parts for line in part.text.split("\n") if WORDS.search(line))


def _replaces_one_part(last: _Step, step: _Step) -> bool:
    """Tell whether one run of lines stands in the place of another, between lines that have stayed."""
    before, now = ([_plain(line) for line in _lines(one.rest)] for one in (last, step))
    for lines, text in ((before, "\n".join(now)), (now, "\n".join(before))):
        stayed = [line in text for line in lines]
        if sum(stayed) < FEW_LINES or sum(not key for key, _ in groupby(stayed)) > 1:
            return False
    return True


def _share(some: Counter[str], others: Counter[str]) -> float:
    """Return the share of some words that others have as well; of no words at all, all."""
    stay = sum(min(count, others[word]) for word, count in some.items() if word in others)
    return stay / some.total() if some else 1.0


def _keeps_all(last: _Step, step: _Step) -> bool:
    """Tell whether all that stands on a page with few words stands on the next at its old place, longer maybe."""
    if not last.rest:
        return _adds_to_title(last, step)
    texts = [(_plain(part.text), part.box) for part in step.rest]
    parts = [(_plain(part.text), part.box) for part in last.rest]
    return all(
        any(now.startswith(was) and _at_one_place(box, other, step.page) for now, other in texts) for was, box in parts
    )


def _adds_to_title(last: _Step, step: _Step) -> bool:
    """Tell whether a page adds to one with a title and pictures alone; where there are labels, they would tell."""
    before, now = last.page.pictures, step.page.pictures
    stay = all(any(_stays(picture, other, step.page) for other in now) for picture in before)
    adds = (before or step.rest) and stay and not step.page.label
    return bool(adds) and _at_one_place(last.title_box, step.title_box, step.page)


def _stays(picture: Picture, other: Picture, page: Page) -> bool:
    """Tell whether a picture stands on a page still, or a drawing of its size at its place."""
    drawn = picture.what == other.what == "vector"
    ends = all(abs(picture.box[i] - other.box[i]) <= SAME_PLACE * page.width for i in range(4))
    return picture.image == other.image or (drawn and ends)


def _at_one_place(one: Box, other: Box, page: Page) -> bool:
    """Tell whether two boxes begin at the same place."""
    return all(abs(one[i] - other[i]) <= SAME_PLACE * side for i, side in enumerate((page.width, page.height)))


Place = tuple[int, ...]  # sorts what is kept: further numbers put what vanished behind what stood before it
Said = tuple[int, Place]  # the page on which a text stands again, and the place of what is kept of it


@dataclass(frozen=True, slots=True)
class _Later:
    """What the pages after one say, in plain text."""

    lines: dict[str, Said]  # and whole fragments
    texts: list[tuple[str, Said]]  # of the next page alone; so too below
    text: str
    signs: set[str]


def merge_steps(pages: Sequence[Page]) -> tuple[list[tuple[int, Fragment]], list[tuple[int, Loss]]]:
    """Return what one slide says, in reading order, and what its steps say again later, both with page numbers.

    Kept are the last page and the lines that vanished on the way, each behind what stood before it. Every character
    of the pages, drawn or not, is either kept or lost.
    """
    kept: list[tuple[Place, int, Fragment]] = []
    lost: list[tuple[int, Loss]] = []
    later = _Later({}, [], "", set())
    for page in reversed(pages):
        spoken: list[tuple[str, Place]] = []
        behind: Place = ()
        for part, said in [pair for fragment in (*page.fragments, *page.invisible) for pair in _part(fragment, later)]:
            if said:
                behind = said[1] or behind
                lost.append((page.number, Loss(part.text, f"said again on page {said[0]}", part.box)))
            else:
                kept.append(((*behind, page.number, len(spoken)), page.number, part))
            spoken.append((part.text, behind if said else kept[-1][0]))
        later = _put_before(later, page.number, spoken) if page is not pages[0] else later
    kept.sort(key=lambda one: one[0])
    return [(number, part) for _, number, part in kept], sorted(lost, key=lambda one: one[0])


def _part(fragment: Fragment, later: _Later) -> list[tuple[Fragment, Said | None]]:
    """Cut a fragment into runs of lines that one later page says again, or none."""
    whole = later.lines.get(_plain(fragment.text))
    if whole or not later.texts:
        return [(fragment, whole)]
    lines = fragment.text.split("\n")
    said: list[Said | None] = []
    for line in lines:
        goes_with_last = said and (not line.strip() or (said[-1] is None and not WORDS.search(line)))  # a bracket, say
        said.append(said[-1] if goes_with_last else _find(_plain(line), later))
    pages = [place[0] if place else 0 for place in said]
    runs = [list(run) for _, run in groupby(range(len(lines)), key=pages.__getitem__)]
    return [(_cut(fragment, lines, run[0], run[-1] + 1), said[run[-1]]) for run in runs]


def _find(line: str, later: _Later) -> Said | None:
    """Return page and place where a line stands again, within another maybe, or all its signs if it has no words."""
    if line in later.lines:
        return later.lines[line]
    if WORDS.search(line):
        return next((said for text, said in later.texts if _holds(text, line)), None) if line in later.text else None
    return (later.texts[0][1][0], ()) if later.signs.issuperset(line.split()) else None


def _holds(text: str, line: str) -> bool:
    at = text.find(line)
    return at >= 0 and not text[at - 1 : at].isalnum() and not text[at + len(line) :][:1].isalnum()


def _plain(text: str) -> str:
    """Return a text without what differs from page to page: line breaks, bullets, full stops."""
    return " ".join(text.replace(HYPHEN, "").split()).removeprefix("• ").rstrip(".,;:!?")


def _cut(fragment: Fragment, lines: Sequence[str], start: int, end: int) -> Fragment:
    left, top, right, bottom = fragment.box
    ends = [top + (bottom - top) * edge / len(lines) for edge in (start, end)]
    return replace(fragment, text="\n".join(lines[start:end]), box=(left, ends[0], right, ends[1]))


def _put_before(later: _Later, number: int, spoken: Sequence[tuple[str, Place]]) -> _Later:
    """Add what a page says to what the pages after it say."""
    texts = [(_plain(text), (number, place)) for text, place in spoken]
    later.lines.update((_plain(line), (number, place)) for text, place in spoken for line in text.split("\n"))
    later.lines.update(texts)
    text = "\n".join([text for text, _ in texts])
    return _Later(later.lines, texts, text, set(text.split()))


@dataclass(frozen=True, slots=True)
class Steps:
    """Pages that show one slide; `use` is the column that a person edits, and whole rows may be added."""

    lecture: str
    pages: str  # the first and the last; never as "4-6", of which a spreadsheet makes a date
    title: str
    reason: Reason | Literal[""]  # "": a person's row
    rule: Use | Literal[""]  # whether we would take them for one slide
    use: Use  # whether they are


PAGES = re.compile(r"(\d+)\D+(\d+)")


def list_steps(pages: Sequence[Page], decisions: Mapping[str, Use], *, find: bool = True) -> list[Steps]:
    """List the slides of one lecture that are built up; a person's decision about pages ("4 to 6") wins.

    Without `find`, those that a person names are all there are.
    """
    rows = {}
    for group, reasons in _find_slides(pages) if find else ():
        if reasons:
            name = f"{pages[group[0]].number} to {pages[group[-1]].number}"
            title = find_title(pages[group[-1]].fragments, pages[group[-1]].height)
            text = " ".join(title.text.replace(HYPHEN, "-").split()) if title else ""
            reason = max(reasons)  # the alphabet happens to put last what to look at most closely
            rows[name] = Steps(pages[0].lecture, name, text, reason, "yes", decisions.get(name, "yes"))
    added = [Steps(pages[0].lecture, name, "", "", "", use) for name, use in decisions.items() if name not in rows]
    return sorted((*rows.values(), *added), key=lambda row: [int(end) for end in row.pages.split(" to ")])


def join_steps(pages: Sequence[Page], rows: Iterable[Steps]) -> list[list[int]]:
    """Return indices into a lecture's pages, one group a slide, as the rows' `use` says."""
    joined: set[int] = set()  # numbers of pages that go on with the slide of the page before
    for row in sorted(rows, key=lambda row: (row.rule != "yes", row.use)):  # what a person says comes last, yes wins
        first, last = map(int, row.pages.split(" to "))
        (joined.update if row.use == "yes" else joined.difference_update)(range(first + 1, last + 1))
    starts = [index for index, page in enumerate(pages) if index == 0 or page.number not in joined]
    return [list(range(start, end)) for start, end in pairwise([*starts, len(pages)])]


def write_steps(rows: Iterable[Steps]) -> str:
    """Return the list as CSV."""
    return write_rows(rows, [column.name for column in fields(Steps)])


def read_step_decisions(path: Path) -> dict[str, dict[str, Use]]:
    """Return by lecture a person's decisions about pages: rows that were added, or whose `use` is not the rule's.

    Raises InputError that names file, row and what is allowed.
    """
    decisions: dict[str, dict[str, Use]] = {}
    for number, row in read_rows(path, {"lecture", "pages", "rule", "use"}) if path.exists() else ():
        use = read_use(row["use"], path, number)
        if use == row["rule"]:
            continue
        ends = PAGES.fullmatch((row["pages"] or "").strip())
        if not ends or int(ends[1]) >= int(ends[2]):
            what = f"pages is {row['pages']!r}. Write the first and the last page, such as 4 to 6."
            raise InputError(f"{path}:{number}: {what}")
        decisions.setdefault(row["lecture"], {})[f"{int(ends[1])} to {int(ends[2])}"] = use
    return decisions
