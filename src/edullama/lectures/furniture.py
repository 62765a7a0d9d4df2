"""Running heads, feet and page numbers: what stands at the same place on most pages of a lecture."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edullama.lectures.layout import find_title
from edullama.lectures.pages import Fragment, Page

MOST_PAGES = 0.6
FEWEST_PAGES = 4
EDGE = 0.16  # of the page's height, at top and bottom: a slide built up over many pages keeps its text
SAME_PLACE = 0.02  # of the page
WORDS = re.compile(r"[^\W\d_]+")

Place = tuple[int, int]  # page number, index of the fragment


@dataclass(frozen=True, slots=True)
class _Seen:
    """One appearance of a text near an edge."""

    place: Place
    left: float  # shares of the page
    right: float
    middle: float  # of its height
    is_title: bool


def find_furniture(pages: Sequence[Page]) -> set[Place]:
    """Return which fragments of a lecture's pages are running heads, feet or page numbers."""
    by_text: dict[str, list[_Seen]] = defaultdict(list)
    for page in pages:
        title = find_title(page.fragments, page.height)
        for index, fragment in enumerate(page.fragments):
            if _near_edge(fragment, page):
                by_text[_mask(fragment.text)].append(_see(fragment, page, index, fragment is title))
    needed = max(FEWEST_PAGES, MOST_PAGES * len(pages))
    groups = (group for seen in by_text.values() for group in _at_one_place(seen))
    running = (group for group in groups if _count_pages(group) >= needed and not _is_heading(group))
    return {seen.place for group in running for seen in group}


def _mask(text: str) -> str:
    """Keep the words alone: numbers and references differ from page to page."""
    return " ".join(WORDS.findall(text)).casefold() or ("#" if any(char.isdigit() for char in text) else text)


def _near_edge(fragment: Fragment, page: Page) -> bool:
    _, top, _, bottom = fragment.box
    return bottom < EDGE * page.height or top > (1 - EDGE) * page.height


def _see(fragment: Fragment, page: Page, index: int, is_title: bool) -> _Seen:
    left, top, right, bottom = fragment.box
    middle = (top + bottom) / 2 / page.height
    return _Seen((page.number, index), left / page.width, right / page.width, middle, is_title)


def _at_one_place(seen: Sequence[_Seen]) -> list[list[_Seen]]:
    """Group by height, then keep in each group what shares its left or its right edge with most."""
    groups: list[list[_Seen]] = []
    for one in sorted(seen, key=lambda one: one.middle):
        if groups and one.middle - groups[-1][0].middle <= SAME_PLACE:
            groups[-1].append(one)
        else:
            groups.append([one])
    return [_aligned(group) for group in groups]


def _aligned(group: Sequence[_Seen]) -> list[_Seen]:
    left, right = median(one.left for one in group), median(one.right for one in group)
    return [one for one in group if abs(one.left - left) <= SAME_PLACE or abs(one.right - right) <= SAME_PLACE]


def _count_pages(group: Sequence[_Seen]) -> int:
    return len({one.place[0] for one in group})


def _is_heading(group: Sequence[_Seen]) -> bool:
    """A text that is the title wherever it stands belongs to the slides, though all of them bear it."""
    return sum(one.is_title for one in group) > len(group) / 2
