"""Pages through pypdf, where MuPDF finds nothing, gives up, or dies."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edullama.lectures.characters import count_unreadable, repair
from edullama.lectures.pages import Fragment, Page, count_characters
from edullama.lectures.pdf import first_line, unreadable_page


def count_pages(path: Path, password: str) -> int:
    """Return how many pages pypdf finds; 0 where it finds none."""
    try:
        return len(_open(path, password).pages)
    except Exception:  # whatever a damaged file makes it raise, it has no opinion then
        return 0


def read_pages(path: Path, lecture: str, password: str, numbers: Sequence[tuple[int, str]]) -> Iterator[Page]:
    """Read pages (1-based), each given with what MuPDF complained of; a page without text comes back with the problem.

    Places are not known, so that all text of a page is one fragment.
    """
    reader: Any = None
    for number, complaint in numbers:
        try:
            reader = reader or _open(path, password)
            yield _read_page(reader.pages[number - 1], lecture, number, complaint)
        except Exception as error:  # the second opinion failed too: the page is reported, not the program stopped
            yield unreadable_page(lecture, number, f"{complaint}; pypdf: {first_line(error)}")


def _open(path: Path, password: str) -> Any:
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it finds wrong, we have found as well
    return PdfReader(path, password=password or None)


def _read_page(page: Any, lecture: str, number: int, complaint: str) -> Page:
    width, height = round(float(page.mediabox.width), 1), round(float(page.mediabox.height), 1)
    raw = page.extract_text()
    text = repair(raw).strip()
    if not text:
        return unreadable_page(lecture, number, f"{complaint}; pypdf: no text")
    fragment = Fragment(text, (0.0, 0.0, width, height), 0.0)
    extracted, unreadable = count_characters(raw), count_unreadable(raw)
    repaired = count_characters(text) + unreadable - extracted
    return Page(
        lecture,
        number,
        "",
        width,
        height,
        (fragment,),
        (),
        (),
        (),
        extracted,
        repaired,
        unreadable,
        0,
        f"pypdf ({complaint})",
    )
