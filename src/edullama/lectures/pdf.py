"""Pages of a PDF through PyMuPDF."""

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pymupdf

from edullama.lectures.characters import count_unreadable, read_glyphs, repair
from edullama.lectures.figures import Shape, clip, find_drawings, merge_tiles, name_image, share
from edullama.lectures.layout import arrange
from edullama.lectures.looks import Look, make_look, mask_of
from edullama.lectures.pages import Line, Page, Picture, UnreadableError, count_characters
from edullama.records import Box

MONOSPACED, BOLD = 8, 16  # PyMuPDF's font flags
# Ligatures are taken apart. Hyphens stay (TEXT_DEHYPHENATE turns "Ein- und" into "Einund"); image bytes are slow.
TEXT_FLAGS = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_MEDIABOX_CLIP | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE
SHAPES = pymupdf.TEXT_COLLECT_VECTORS
IMAGES = pymupdf.TEXT_PRESERVE_IMAGES
FILLED_OR_STROKED = 16 | 32  # in `char_flags`
NO_UNICODE = 128 | 256  # in `char_flags`: what is given as text are numbers of glyphs
MATHS_FONT = re.compile(r"CM(MI|SY|EX|BSY|MIB)|MS[AB]M|Math|Symbol|Euler|EU[FRS]M|RSFS|StMary|[tp]xsy|TeXGyre.*Math")
TINY = 0.002  # of the page: bullets and dots
FOLDER = re.compile(r"(?<=['\"])/[^'\"]*/")
LIGHT, NEARLY_WHITE = 0xA0, 0xF0  # shades
PAGES_KEPT = 20  # after so many pages, decoded pictures and fonts are let go
Looks = dict[str, Look]
ERRORS = RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase  # MuPDF's own are no RuntimeError
mupdf: Any = pymupdf  # its functions have no types
mupdf.TOOLS.mupdf_display_errors(False)  # what goes wrong is told in the records
mupdf.TOOLS.mupdf_display_warnings(False)
mupdf.TOOLS.set_icc(False)  # exact colours cost more than everything else about a thumbnail


def count_pages(path: Path, password: str = "") -> tuple[int, str]:
    """Return how many pages a PDF has, and what its owner should know of it.

    Raises UnreadableError for what is no readable PDF.
    """
    again = "Get the file again, or export it anew, and replace it."
    try:
        document = mupdf.open(path)
    except pymupdf.EmptyFileError:
        raise UnreadableError("the file is empty (0 bytes)", again) from None
    except ERRORS as error:
        raise UnreadableError(f"not a PDF that can be opened ({first_line(error)})", again) from None
    with document:
        if not document.is_pdf:
            raise _not_a_pdf(document.metadata["format"])
        if document.needs_pass and not document.authenticate(password):
            wrong = "the password in the recipe does not open it" if password else "it opens only with a password"
            raise UnreadableError(f"encrypted: {wrong}", "Put its password into the recipe, under [ingest.passwords].")
        if len(document) == 0:
            cut = "damaged or cut off: no page can be found" if document.is_repaired else "it has no pages"
            raise UnreadableError(cut, again)
        damage = f"is damaged; {len(document)} pages could be found: check that none is missing"
        return len(document), damage if document.is_repaired else ""


def read_pages(path: Path, lecture: str, password: str, numbers: Sequence[int]) -> Iterator[tuple[Page, Looks]]:
    """Read the given pages (1-based) one by one, each with the looks of the images that none before it showed.

    A page that MuPDF cannot read comes back empty, the problem told.
    """
    with open_pdf(path, password) as document:
        reader = _Reader(document, lecture)
        for count, number in enumerate(numbers, 1):
            yield reader.read(number)
            if count % PAGES_KEPT == 0:
                mupdf.TOOLS.store_shrink(100)
    mupdf.TOOLS.store_shrink(100)


def open_pdf(path: Path, password: str) -> Any:
    """Open a PDF that is known to open."""
    document = mupdf.open(path)
    if document.needs_pass:
        document.authenticate(password)
    return document


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, without the folder that a file is in."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return FOLDER.sub("", line)


def _not_a_pdf(kind: str) -> UnreadableError:
    if "HTML" in kind:
        advice = "Download it again: a page that asks to log in, or an error page, was saved in its place."
        return UnreadableError("not a PDF but a web page", advice)
    return UnreadableError(f"not a PDF but {kind}", "Export it as PDF, or take it out.")


def unreadable_page(lecture: str, number: int, problem: str) -> Page:
    """Return the record of a page of which nothing is known but what went wrong."""
    return Page(lecture, number, "", 0.0, 0.0, (), (), (), (), 0, 0, 0, 0, "none", problem)


class _Reader:
    """An open PDF, and what was seen in it so far."""

    def __init__(self, document: Any, lecture: str) -> None:
        self.document, self.lecture = document, lecture
        self.digests = _Digests(document)
        self.labels = sorted(document._get_page_labels())  # PyMuPDF would look for all of them on every page
        self.seen: set[str] = set()

    def read(self, number: int) -> tuple[Page, Looks]:
        """Read one page (1-based)."""
        mupdf.TOOLS.reset_mupdf_warnings()
        try:
            page, looks = self._read(self.document[number - 1], number)
        except Exception as error:  # whatever a damaged page makes MuPDF raise, the other pages must go through
            return unreadable_page(self.lecture, number, f"PyMuPDF: {first_line(error)}"), {}
        complaint = mupdf.TOOLS.mupdf_warnings()
        empty = not (page.fragments or page.pictures or page.paths)
        problem = f"PyMuPDF: {complaint.splitlines()[-1]}" if empty and complaint else ""
        return replace(page, problem=problem), looks

    def _read(self, page: Any, number: int) -> tuple[Page, Looks]:
        drawn = page.get_displaylist()
        blocks = mupdf.TextPage(drawn.get_textpage(TEXT_FLAGS | SHAPES)).extractDICT()["blocks"]
        texts = [block for block in blocks if block["type"] == 0]
        spans = [span for block in texts for line in block["lines"] for span in line["spans"]]
        raw = "".join([span["text"] for span in spans])
        legible = "".join([_read_span(span) for span in spans])
        shown = [_read_lines(block, visible=True) for block in texts]
        hidden = [] if all(map(_is_visible, spans)) else [_read_lines(block, visible=False) for block in texts]
        box: Box = (0.0, 0.0, round(page.rect.width, 1), round(page.rect.height, 1))
        shapes = _read_shapes(page, [block for block in blocks if block["type"] == 3], box)
        visible, invisible = arrange(shown, shapes), arrange(hidden)
        unreadable, extracted = count_unreadable(legible), count_characters(raw)
        read = sum(count_characters(line.text) for block in (*shown, *hidden) for line in block) + visible.added
        pictures = merge_tiles(_read_bitmaps(page, drawn, self.digests, box), box)
        drawings = find_drawings(shapes, [line.box for block in shown for line in block], box)
        label = str(mupdf.utils.get_label_pno(number - 1, self.labels)) if self.labels else ""
        found = Page(
            self.lecture, number, label, box[2], box[3], visible.fragments, (*pictures, *drawings),
            invisible.fragments, (*visible.lost, *invisible.lost), extracted, read + unreadable - extracted,
            unreadable, len(shapes), "pymupdf",
        )  # fmt: skip
        return found, self._look_at(drawn, found.pictures)

    def _look_at(self, drawn: Any, pictures: Sequence[Picture]) -> Looks:
        looks = {}
        for picture in pictures:
            if picture.image not in self.seen:
                self.seen.add(picture.image)
                with contextlib.suppress(Exception):  # a damaged image costs its thumbnail, not the page
                    looks[picture.image] = make_look(self.document, drawn, picture)
        return looks


def _read_lines(block: dict[str, Any], *, visible: bool) -> list[Line]:
    lines = []
    for line in block["lines"]:
        spans = [span for span in line["spans"] if _is_visible(span) == visible]
        worded = [span for span in spans if span["text"].strip(" ")]
        text = repair(_join_spans(spans)) if worded else ""
        if text.strip():
            whole = len(spans) == len(line["spans"])
            box = _round(line["bbox"] if whole else _union_of(worded))
            mono, bold = (all(span["flags"] & flag for span in worded) for flag in (MONOSPACED, BOLD))
            faded = all(_is_light_grey(span["color"]) for span in worded)
            lines.append(Line(text, box, _common_size(worded), mono, bold, _maths_share(worded), faded))
    return lines


def _is_visible(span: dict[str, Any]) -> bool:
    """Tell whether a span is drawn: recognised handwriting and scans lie invisible over what they were read from."""
    return bool(span["alpha"] and span["char_flags"] & FILLED_OR_STROKED)


def _round(box: Sequence[float]) -> Box:
    return round(box[0], 1), round(box[1], 1), round(box[2], 1), round(box[3], 1)


def _union_of(spans: Sequence[dict[str, Any]]) -> Sequence[float]:
    left, top, right, bottom = zip(*(span["bbox"] for span in spans), strict=True)
    return min(left), min(top), max(right), max(bottom)


def _join_spans(spans: Sequence[dict[str, Any]]) -> str:
    """Join a line's spans, with a space where only a gap parts a formula from the words around it."""
    text = _read_span(spans[0])
    for last, span in pairwise(spans):
        gap = span["bbox"][0] - last["bbox"][2]
        text += (" " if gap > 0.2 * span["size"] and not text.endswith(" ") else "") + _read_span(span)
    return text


def _read_span(span: dict[str, Any]) -> str:
    text: str = span["text"]
    return read_glyphs(_plain_name(span["font"]), text) if span["char_flags"] & NO_UNICODE else text


def _plain_name(font: str) -> str:
    return font.split("+")[-1]


def _common_size(spans: Sequence[dict[str, Any]]) -> float:
    """Return the size that most letters have, so that an exponent does not count."""
    if len(spans) == 1:
        return float(round(spans[0]["size"], 1))
    sizes: Counter[float] = Counter()
    for span in spans:
        sizes[round(span["size"], 1)] += len(span["text"])
    return max(sizes, key=lambda size: (sizes[size], size))


def _maths_share(spans: Sequence[dict[str, Any]]) -> float:
    maths = sum(len(span["text"]) for span in spans if _is_maths(span["font"]))
    return round(maths / sum(len(span["text"]) for span in spans), 2) if maths else 0.0


@cache
def _is_light_grey(colour: int) -> bool:
    red, green, blue = colour.to_bytes(3)
    return min(red, green, blue) >= LIGHT and max(red, green, blue) < NEARLY_WHITE


@cache
def _is_maths(font: str) -> bool:
    return bool(MATHS_FONT.search(font))


def _read_shapes(page: Any, blocks: Sequence[dict[str, Any]], box: Box) -> list[Shape]:
    """Return the lines and areas of a page, clipped to it."""
    boxes = [_round(block["bbox"]) for block in blocks]
    pairs = zip(blocks, boxes, strict=True)
    if any(block["stroked"] and not block["isrect"] and _leaves(own, box) for block, own in pairs):
        return _ask_again(page, box)
    shapes = []
    for block, own in zip(blocks, boxes, strict=True):
        white = min(block["color"].to_bytes(4)[1:]) >= NEARLY_WHITE and not block["stroked"]
        shapes.append(Shape(clip(own, box), block["isrect"] and not block["stroked"], white))
    return shapes


def _leaves(box: Box, page: Box) -> bool:
    return box[0] < page[0] or box[1] < page[1] or box[2] > page[2] or box[3] > page[3]


def _ask_again(page: Any, box: Box) -> list[Shape]:
    """Return a page's shapes from its drawing commands: text pages give lines of scaled drawings wild boxes."""
    shapes = []
    for drawing in page.get_cdrawings():
        filled = drawing["type"] == "f"
        plain = filled and len(drawing["items"]) == 1 and drawing["items"][0][0] in ("re", "qu")
        white = filled and min(drawing["fill"]) * 255 >= NEARLY_WHITE
        rect = mupdf.Rect(drawing["rect"]) * page.rotation_matrix
        shapes.append(Shape(clip(_round(rect), box), plain, white))
    return shapes


def _read_bitmaps(page: Any, drawn: Any, digests: "_Digests", box: Box) -> list[Picture]:
    """List what images a page shows; bullets and dots are left out."""
    shown = mupdf.TextPage(drawn.get_textpage(IMAGES)).extractIMGINFO()
    xrefs = _find_xrefs(page, shown)
    found: dict[tuple[str, Box], Picture] = {}
    for info, xref in zip(shown, xrefs, strict=True):
        covered = share(info["bbox"], box)
        if covered >= TINY:
            name = digests.of(xref, info)
            size = info["width"], info["height"]
            picture = Picture(name, "bitmap", *size, _round(clip(info["bbox"], box)), covered, xref)
            found[name, picture.box] = picture
    return list(found.values())


def _find_xrefs(page: Any, shown: Sequence[dict[str, Any]]) -> list[int]:
    """Return the numbers of images as shown, 0 for what is none of the document's own.

    The size in pixels tells which it is; only where two of one size are on a page are their pixels compared.
    """
    listed: dict[tuple[int, int], set[int]] = defaultdict(set)
    for row in page.get_images(full=True) if shown else []:
        if row[0]:
            listed[row[2], row[3]].add(row[0])
    same = [listed.get((info["width"], info["height"]), set()) for info in shown]
    if all(len(xrefs) <= 1 for xrefs in same):
        return [next(iter(xrefs), 0) for xrefs in same]
    told = {_round(info["bbox"]): info["xref"] for info in page.get_image_info(xrefs=True)}
    return [told.get(_round(info["bbox"]), 0) for info in shown]


class _Digests:
    """Hashes of a document's images, each raw stream read once."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.of_stream = cache(self._hash_stream)

    def of(self, xref: int, info: dict[str, Any]) -> str:
        """Return what an image is known by."""
        if xref:
            return self.of_stream(xref)
        return name_image(f"{info['width']} {info['height']} {info['size']} {info['cs-name']} {info['bpc']}".encode())

    def _hash_stream(self, xref: int) -> str:
        mask = mask_of(self.document, xref)
        raw = (self.document.xref_stream_raw(number) or b"" for number in (xref, mask) if number)
        return name_image(b"".join(raw))
