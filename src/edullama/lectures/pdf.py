"""Pages of a PDF through PyMuPDF, with pypdf as the second opinion where it fails."""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pymupdf

from edullama.lectures.characters import count_unreadable, read_glyphs, repair
from edullama.lectures.layout import arrange
from edullama.lectures.pages import Fragment, Line, Page, Picture, count_letters
from edullama.records import Box

MONOSPACED, BOLD = 8, 16  # PyMuPDF's font flags
# Ligatures are taken apart. Hyphens stay (TEXT_DEHYPHENATE turns "Ein- und" into "Einund"); image bytes are slow.
TEXT_FLAGS = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_MEDIABOX_CLIP | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE
NO_UNICODE = 128 | 256  # in `char_flags`: what is given as text are numbers of glyphs
TINY = 0.002  # of the page
FEW_LETTERS = 10  # below this a page's text layer does not tell what the page says
mupdf: Any = pymupdf  # its functions have no types
mupdf.TOOLS.mupdf_display_errors(False)  # what goes wrong is told in the records
mupdf.TOOLS.mupdf_display_warnings(False)


class UnreadableError(Exception):
    """A file that yields no page: what is wrong with it, and what its owner can do."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.problem, self.advice = problem, advice


def count_pages(path: Path) -> tuple[int, bool]:
    """Return how many pages a PDF has, and whether it was damaged and had to be repaired.

    Raises UnreadableError for what is no readable PDF.
    """
    again = "Get the file again, or export it anew, and replace it."
    try:
        document = mupdf.open(path)
    except pymupdf.EmptyFileError:
        raise UnreadableError("the file is empty (0 bytes)", again) from None
    except (pymupdf.FileDataError, RuntimeError) as error:
        raise UnreadableError(f"not a PDF that can be opened ({_first_line(error)})", again) from None
    with document:
        if not document.is_pdf:
            raise UnreadableError(f"not a PDF but {document.metadata['format']}", "Export it as PDF, or take it out.")
        if document.needs_pass:
            raise UnreadableError("encrypted: it opens only with a password", "Save a copy without the password.")
        if len(document) == 0:
            cut = "damaged or cut off: no page can be found" if document.is_repaired else "it has no pages"
            raise UnreadableError(cut, again)
        return len(document), bool(document.is_repaired)


def read_pages(path: Path, lecture: str, numbers: Sequence[int]) -> list[Page]:
    """Read the given pages (1-based). A page that nothing can read comes back empty, with the problem told."""
    with mupdf.open(path) as document:
        digests = _Digests(document)
        return [_read_page(document, path, lecture, number, digests) for number in numbers]


def render_page(path: Path, number: int, dpi: int) -> bytes:
    """Draw a page (1-based) in grey as PNG."""
    with mupdf.open(path) as document:
        return bytes(document[number - 1].get_pixmap(dpi=dpi, colorspace="gray").tobytes("png"))


def _read_page(document: Any, path: Path, lecture: str, number: int, digests: "_Digests") -> Page:
    mupdf.TOOLS.reset_mupdf_warnings()
    try:
        page = _read_with_pymupdf(document[number - 1], lecture, number, digests)
    except Exception as error:  # whatever a damaged page makes MuPDF raise, the lecture's other pages must go through
        return _read_with_pypdf(path, lecture, number, _first_line(error))
    complaint = mupdf.TOOLS.mupdf_warnings()
    empty = not (page.fragments or page.pictures or page.paths)
    return _read_with_pypdf(path, lecture, number, complaint.splitlines()[-1]) if empty and complaint else page


def _read_with_pymupdf(page: Any, lecture: str, number: int, digests: "_Digests") -> Page:
    width, height = round(page.rect.width, 1), round(page.rect.height, 1)
    blocks = page.get_text("dict", flags=TEXT_FLAGS)["blocks"]
    raw = "".join(_read_span(span) for block in blocks for line in block["lines"] for span in line["spans"])
    fragments = arrange([_read_lines(block) for block in blocks])
    paths = _count_paths(page) if count_letters(fragments) < FEW_LETTERS else 0
    pictures = _read_pictures(page, digests)
    return Page(lecture, number, width, height, fragments, pictures, count_unreadable(raw), paths, "pymupdf")


def _read_lines(block: dict[str, Any]) -> list[Line]:
    lines = []
    for line in block["lines"]:
        spans = [span for span in line["spans"] if span["text"].strip(" ")]
        text = repair(_join_spans(line["spans"]))
        if spans and text.strip():
            box = tuple(round(edge, 1) for edge in line["bbox"])
            mono, bold = (all(span["flags"] & flag for span in spans) for flag in (MONOSPACED, BOLD))
            lines.append(Line(text, box, _common_size(spans), mono, bold))
    return lines


def _join_spans(spans: list[dict[str, Any]]) -> str:
    """Join a line's spans, with a space where only a gap parts a formula from the words around it."""
    text = _read_span(spans[0])
    for last, span in pairwise(spans):
        gap = span["bbox"][0] - last["bbox"][2]
        text += (" " if gap > 0.2 * span["size"] and not text.endswith(" ") else "") + _read_span(span)
    return text


def _read_span(span: dict[str, Any]) -> str:
    text: str = span["text"]
    return read_glyphs(span["font"].split("+")[-1], text) if span["char_flags"] & NO_UNICODE else text


def _common_size(spans: list[dict[str, Any]]) -> float:
    """Return the size that most letters have, so that an exponent does not count."""
    sizes: Counter[float] = Counter()
    for span in spans:
        sizes[round(span["size"], 1)] += len(span["text"])
    return max(sizes, key=lambda size: (sizes[size], size))


def _count_paths(page: Any) -> int:
    return sum(kind.endswith("path") for kind, _ in page.get_bboxlog())


def _read_pictures(page: Any, digests: "_Digests") -> tuple[Picture, ...]:
    """List what images a page shows, one row an image however often it is shown; bullets and dots are left out."""
    shares: dict[tuple[str, int, int], float] = {}
    by_look = _LooksOf(page)
    listed = page.get_images(full=True)
    for info in page.get_image_info():
        share = _share(info["bbox"], page.rect)
        if share >= TINY:
            digest = digests.of(listed, info) or by_look.of(info["number"])
            key = (digest, info["width"], info["height"])
            shares[key] = shares.get(key, 0.0) + share
    return tuple(Picture(*key, round(min(1.0, share), 4)) for key, share in sorted(shares.items()))


def _share(box: Box, page: Any) -> float:
    """Return how much of a page a box covers."""
    width = min(box[2], page.x1) - max(box[0], page.x0)
    height = min(box[3], page.y1) - max(box[1], page.y0)
    return float(max(0.0, width) * max(0.0, height) / max(1.0, page.width * page.height))


class _Digests:
    """Hashes of a document's images, each raw stream read once."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.of_stream = cache(self._hash_stream)

    def of(self, listed: list[tuple[Any, ...]], info: dict[str, Any]) -> str | None:
        """Return the identity of an image as shown, or None where its size leaves open which of those listed it is."""
        same_size = {row[0] for row in listed if (row[2], row[3]) == (info["width"], info["height"])}
        digests = {self.of_stream(xref) for xref in same_size if xref}
        return digests.pop() if len(digests) == 1 else None

    def _hash_stream(self, xref: int) -> str:
        return _name(hashlib.sha256(self.document.xref_stream_raw(xref) or b""))


class _LooksOf:
    """Hashes of the pixels that a page shows, made only where one is asked for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.digests: dict[int, bytes] = {}

    def of(self, number: int) -> str:
        if not self.digests:
            self.digests = {info["number"]: info["digest"] for info in self.page.get_image_info(hashes=True)}
        return _name(hashlib.sha256(self.digests[number]))


def _name(digest: Any) -> str:
    """Name an image so that no spreadsheet takes the name for a number."""
    return f"img-{digest.hexdigest()[:10]}"


def _read_with_pypdf(path: Path, lecture: str, number: int, problem: str) -> Page:
    """Read a page in which MuPDF found a problem and nothing else; tell the problem where pypdf finds no more."""
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it finds wrong, we have found as well
    try:
        page = PdfReader(path).pages[number - 1]
        width, height = round(float(page.mediabox.width), 1), round(float(page.mediabox.height), 1)
        text, found = repair(page.extract_text()).strip(), "no text"
    except Exception as error:  # the second opinion failed too: the page is reported, not the program stopped
        width, height, text, found = 0.0, 0.0, "", _first_line(error)
    if not text:
        return Page(lecture, number, width, height, (), (), 0, 0, "none", f"PyMuPDF: {problem}; pypdf: {found}")
    return Page(lecture, number, width, height, (Fragment(text, (0.0, 0.0, width, height), 0.0),), (), 0, 0, "pypdf")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
