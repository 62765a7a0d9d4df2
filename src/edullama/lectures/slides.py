"""From pages to slides: how each page is to be read, and what of it is the slide's own text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edullama.lectures.furniture import find_furniture
from edullama.lectures.images import Image
from edullama.lectures.language import tell_language
from edullama.lectures.layout import find_title
from edullama.lectures.pages import Fragment, Page, Scan, count_letters
from edullama.lectures.pdf import FEW_LETTERS
from edullama.records import Block, Method, Rejection, Slide

MANY_PATHS = 40  # frames and rules of a template are fewer; letters drawn as shapes and diagrams are more
LONG_TITLE = 150  # characters; longer is a paragraph that happens to stand at the top


@dataclass(frozen=True, slots=True)
class Decision:
    """How a page is read, and why."""

    method: Literal["text", "ocr", "blank"]
    reason: str


def decide(page: Page, used: frozenset[str]) -> Decision:
    """Say how to read a page; `used` are the images that count."""
    letters = count_letters(page.fragments)
    numbers = f"{letters} letters in the text layer"
    if letters >= FEW_LETTERS:
        return Decision("text", numbers if page.engine == "pymupdf" else f"{numbers}, read by {page.engine}")
    shown = [picture for picture in page.pictures if picture.image in used]
    if shown:
        area = min(1.0, sum(picture.area for picture in shown))
        return Decision("ocr", f"{numbers}, {len(shown)} image(s) on {area:.0%} of the page")
    if page.unreadable >= FEW_LETTERS:
        return Decision("ocr", f"{numbers}, {page.unreadable} unreadable characters")
    if page.paths >= MANY_PATHS:
        return Decision("ocr", f"{numbers}, {page.paths} drawn shapes")
    return Decision("text" if letters else "blank", f"{numbers}, nothing else to read")


def used_images(images: Sequence[Image]) -> dict[str, frozenset[str]]:
    """Return by lecture the images that count."""
    lectures = {image.lecture for image in images}
    return {
        lecture: frozenset(image.image for image in images if image.lecture == lecture and image.use == "yes")
        for lecture in lectures
    }


def make_slides(
    pages: Sequence[Page], used: frozenset[str], scans: Mapping[int, Scan]
) -> tuple[list[Slide], list[Rejection]]:
    """Turn a lecture's pages into one slide each, and return what was removed from them as well."""
    read = [_choose(page, decide(page, used), scans.get(page.number)) for page in pages]
    furniture = find_furniture([page for page, _ in read])
    slides, removed = [], []
    for page, decision in read:
        own = [fragment for index, fragment in enumerate(page.fragments) if (page.number, index) not in furniture]
        slides.append(_make_slide(page, own, decision))
        removed += [
            Rejection(f"{page.lecture}:{page.number}", "running head or foot", fragment.text)
            for index, fragment in enumerate(page.fragments)
            if (page.number, index) in furniture
        ]
    return slides, removed


def _choose(page: Page, decision: Decision, scan: Scan | None) -> tuple[Page, Decision]:
    """Put OCR's text in the place of the text layer's, unless it found less."""
    if decision.method != "ocr" or scan is None:
        return page, decision
    found = count_letters(scan.fragments)
    if found >= max(FEW_LETTERS, count_letters(page.fragments)):
        return replace(page, fragments=scan.fragments), Decision("ocr", f"{decision.reason}; OCR read {found} letters")
    method: Literal["text", "blank"] = "text" if count_letters(page.fragments) else "blank"
    return page, Decision(method, f"{decision.reason}; OCR read only {found} letters")


def _make_slide(page: Page, fragments: Sequence[Fragment], decision: Decision) -> Slide:
    method: Method = "ocr" if decision.method == "ocr" else "text"
    blocks = tuple(Block(fragment.text, method, page.number, fragment.box) for fragment in fragments)
    title = find_title(fragments, page.height)
    language = tell_language("\n".join(block.text for block in blocks))
    kind: Literal["content", "blank"] = "content" if blocks else "blank"
    return Slide(page.lecture, (page.number,), _title_text(title), blocks, language, kind, _reason(page, decision))


def _title_text(title: Fragment | None) -> str:
    if title is None:
        return ""
    text = " ".join(title.text.split())
    return text if len(text) <= LONG_TITLE else title.text.splitlines()[0][:LONG_TITLE]


def _reason(page: Page, decision: Decision) -> str:
    return f"unreadable: {page.problem}" if page.problem else f"{decision.method}: {decision.reason}"
