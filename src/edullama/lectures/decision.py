"""How a page is to be read: by its text layer, by OCR, by both, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass

from edullama.lectures.images import Image
from edullama.lectures.pages import Page, Picture, count_letters
from edullama.recipe import Cleaning
from edullama.records import PageMethod

FEW_LETTERS = 10  # below this a page's text layer does not tell what the page says
GARBAGE = 0.3  # of the characters, that stand for no letter
MANY_PATHS = 40  # frames and rules of a template are fewer; letters drawn as shapes and diagrams are more
FIGURE_AREA = 0.01  # of the page: labels in smaller pictures are not legible


@dataclass(frozen=True, slots=True)
class Decision:
    """How a page is read, and why."""

    method: PageMethod
    reason: str
    whole: bool = False  # OCR looks at the whole page; else at its figures


def decide(page: Page, used: frozenset[str], cleaning: Cleaning) -> Decision:
    """Say how to read a page; `used` are the images that count."""
    letters, invisible = count_letters(page.fragments), count_letters(page.invisible)
    numbers = f"{letters} letters in the text layer" + ("" if page.engine == "pymupdf" else f", read by {page.engine}")
    legible = letters >= FEW_LETTERS and page.unreadable < GARBAGE * (letters + page.unreadable)
    shown = used_pictures(page, used) if cleaning.describe != "none" else []
    if not legible or invisible >= FEW_LETTERS:
        return _decide_without(page, used, cleaning, legible, f"{numbers}, {invisible} in an invisible one")
    covered = min(1.0, sum(picture.area for picture in shown))
    if shown:
        return Decision("mixed", f"{numbers}, {len(shown)} figure(s) on {covered:.0%} of the page")
    return Decision("text", numbers)


def _decide_without(page: Page, used: frozenset[str], cleaning: Cleaning, legible: bool, numbers: str) -> Decision:
    """Decide where the text layer does not tell all that the page says."""
    shown = used_pictures(page, used)
    seen = _what_is_seen(page, sum(picture.area for picture in shown))
    if page.engine == "python-pptx" and shown and cleaning.describe != "none":
        return Decision("mixed", f"{numbers}, {seen}")
    if not seen or cleaning.ocr == "never" or page.engine != "pymupdf":
        read = count_letters((*page.fragments, *page.invisible))
        return Decision("text" if read else "blank", f"{numbers}, {seen or 'nothing else to read'}")
    return Decision("mixed" if legible else "ocr", f"{numbers}, {seen}", whole=True)


def _what_is_seen(page: Page, covered: float) -> str:
    """Say what a page shows besides its text layer, or nothing."""
    if covered:
        return f"images on {min(1.0, covered):.0%} of the page"
    if page.unreadable >= FEW_LETTERS:
        return f"{page.unreadable} unreadable characters"
    return f"{page.paths} drawn shapes" if page.paths >= MANY_PATHS else ""


def used_images(images: Sequence[Image]) -> frozenset[str]:
    """Return the images of a lecture that count."""
    return frozenset(image.image for image in images if image.use == "yes")


def used_pictures(page: Page, used: frozenset[str]) -> list[Picture]:
    """Return the images of a page that count and are large enough to tell something, each once.

    Drawings are left to their labels in the text layer, where they have any.
    """
    telling = (p for p in page.pictures if p.image in used and (p.what != "vector" or p.silent))
    found = {p.image: p for p in telling if p.area >= FIGURE_AREA}
    return sorted(found.values(), key=lambda picture: (picture.box[1], picture.box[0]))
