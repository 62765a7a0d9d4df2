"""Which text of a page is its title, as the whole lecture sets its titles."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from edullama.lectures.layout import WORD, find_title
from edullama.lectures.pages import Fragment, Page

FEWEST_PAGES = 4  # fewer show no style
USUAL = 0.4  # of the pages with a title set it alike
SIZE_STEP = 0.12  # sizes that differ by less are the same to the eye, or to OCR
SAME_HEIGHT = 0.06  # of the page
NEARLY = 0.75  # of the usual size, that other titles may have
FEW_TEXTS, FEW_WORDS = 2, 6
LARGE = 1.05  # times the usual size: the title of the lecture or of a section


def find_titles(pages: Sequence[Page], repeated: frozenset[str] = frozenset()) -> dict[int, Fragment | None]:
    """Return the title of each page, by number; None where a page has none.

    `repeated` are texts that many lectures begin with: the course's name, which is no lecture's title.
    """
    found = {page.number: find_title(_own(page, repeated), page.height) for page in pages}
    style = _find_style(pages, found)
    if style is None:
        return found
    return {page.number: _fit(page, found[page.number], style, repeated) for page in pages}


def _own(page: Page, repeated: frozenset[str]) -> list[Fragment]:
    own = [fragment for fragment in page.fragments if fragment.text not in repeated]
    return own if any(WORD.search(fragment.text) for fragment in own) else list(page.fragments)


def _find_style(pages: Sequence[Page], found: Mapping[int, Fragment | None]) -> tuple[float, float] | None:
    """Return size and height (share of the page) that most titles have, or None where they have nothing in common."""
    set_as = [(title.size, title.box[1] / max(1.0, page.height)) for page in pages if (title := found[page.number])]
    if len(set_as) < FEWEST_PAGES:
        return None
    groups = Counter((round(size), round(top / SAME_HEIGHT)) for size, top in set_as)
    size, band = groups.most_common(1)[0][0]
    alike = [one for one in set_as if _near(one, (size, band * SAME_HEIGHT))]
    if len(alike) < USUAL * len(set_as):
        return None
    return median(one[0] for one in alike), median(one[1] for one in alike)


def _near(one: tuple[float, float], style: tuple[float, float]) -> bool:
    return abs(one[0] - style[0]) <= SIZE_STEP * style[0] and abs(one[1] - style[1]) <= SAME_HEIGHT


def _fit(page: Page, found: Fragment | None, style: tuple[float, float], repeated: frozenset[str]) -> Fragment | None:
    """Return what is set as titles are here, else what is set larger, else nothing."""
    height = max(1.0, page.height)
    worded = [fragment for fragment in _own(page, repeated) if WORD.search(fragment.text) and fragment.kind == "text"]
    alike = [f for f in worded if _near((f.size, f.box[1] / height), style)]
    if alike:
        return min(alike, key=lambda fragment: (fragment.box[1], fragment.box[0]))
    large = [fragment for fragment in worded if fragment.size >= LARGE * style[0]]
    if large:
        most = max(fragment.size for fragment in large)
        return next(fragment for fragment in large if fragment.size >= 0.9 * most)
    if found is None or found.size < NEARLY * style[0]:
        return None
    alone = len(worded) <= FEW_TEXTS and len(found.text.split()) <= FEW_WORDS  # the page opens a section
    return found if alone or abs(found.box[1] / height - style[1]) <= SAME_HEIGHT else None
