"""Slides of a PPTX deck through python-pptx."""

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image
from pptx import Presentation

from edullama.lectures.characters import count_unreadable, repair
from edullama.lectures.drawingml import (
    FEET,
    NS,
    TITLES,
    common_size,
    find_bullets,
    find_figure,
    find_images,
    find_styles,
    indent,
    is_code,
    is_empty,
    is_formula,
    list_chart,
    list_diagram,
    list_texts,
    placeholder,
    settle_alternatives,
    spell,
    tag,
)
from edullama.lectures.figures import name_image, share
from edullama.lectures.pages import Fragment, Loss, Page, Picture, UnreadableError, count_characters
from edullama.records import BlockKind, Box

OLE = bytes.fromhex("D0CF11E0A1B11AE1")  # how old Office files begin, and new ones under a password
POINT = 12700  # English Metric Units
STANDARD_SIZE = 9144000, 6858000  # of a deck that gives none, in the same unit
ROW = 0.03  # of the page's height: shapes whose tops differ by no more stand on one row
Frame = tuple[float, float, float, float]  # of a group: points a unit, across and down, and where its zero is


def count_slides(path: Path) -> int:
    """Return how many slides a deck has. Raises UnreadableError for what is no readable PPTX."""
    slides = len(_list_slides(_open(path)[0]))
    if not slides:
        raise UnreadableError("it has no slides", "Export the deck anew and replace the file, or take it out.")
    return slides


def read_slides(path: Path, lecture: str, numbers: Sequence[int]) -> Iterator[Page]:
    """Read the given slides (1-based). One that python-pptx cannot read comes back empty, with the problem told."""
    deck, box = _open(path)
    for number in numbers:
        try:
            page = _read_slide(_find_slide(deck, number), lecture, number, box)
        except Exception as error:  # whatever a damaged slide makes python-pptx raise, the others must go through
            problem = f"python-pptx: {_tell(error)}"
            page = Page(lecture, number, "", box[2], box[3], (), (), (), (), 0, 0, 0, 0, "none", problem)
        yield page


def read_picture(path: Path, number: int, image: str) -> bytes | None:
    """Return an image of a slide (1-based) as PNG on white, or None where Pillow cannot draw it (WMF, EMF)."""
    slide = _find_slide(_open(path)[0], number)
    blob = next((blob for blob in find_images(slide.part, slide.element) if name_image(blob) == image), None)
    if blob is None:  # a formula: PPTX files hold no picture of it
        return None
    try:
        with Image.open(BytesIO(blob)) as opened:
            drawn = opened.convert("RGBA")
    except Exception:  # whatever a damaged image makes Pillow raise, there is no picture
        return None
    png = BytesIO()
    Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB").save(png, "PNG")
    return png.getvalue()


def _open(path: Path) -> tuple[Any, Box]:
    """Return a deck and the box of its slides; the last one stays open, until its file changes."""
    return _open_as_of(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _open_as_of(path: Path, changed: int) -> tuple[Any, Box]:
    again = "Get the file again, or save it anew as PPTX, and replace it."
    with path.open("rb") as file:
        head = file.read(len(OLE))
    if not head:
        raise UnreadableError("the file is empty (0 bytes)", again)
    if head == OLE and "EncryptedPackage".encode("utf-16-le") in path.read_bytes():
        raise UnreadableError("password-protected", "Save a copy without the password.")
    if head == OLE:
        raise UnreadableError("the old PowerPoint format (.ppt)", "Open it in PowerPoint or Impress; save it as PPTX.")
    if not zipfile.is_zipfile(path):
        raise UnreadableError("not a PPTX, or cut off", again)
    try:
        deck = Presentation(str(path))
        width, height = deck.slide_width or STANDARD_SIZE[0], deck.slide_height or STANDARD_SIZE[1]
        return deck, (0.0, 0.0, round(width / POINT, 1), round(height / POINT, 1))
    except Exception as error:  # python-pptx checks little, so a damaged file may make it raise anything
        problem = _tell(error).replace(str(path), path.name)
        raise UnreadableError(f"not a PPTX that can be opened ({problem})", again) from None


def _list_slides(deck: Any) -> list[str]:
    """Return the relations to a deck's slides; python-pptx's own list fails as a whole where one leads nowhere."""
    return [slide.get(tag("r:id")) for slide in deck.element.iterfind("p:sldIdLst/p:sldId", NS)]


def _find_slide(deck: Any, number: int) -> Any:
    return deck.part.related_slide(_list_slides(deck)[number - 1])


def _tell(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _read_slide(slide: Any, lecture: str, number: int, box: Box) -> Page:
    for sheet in (slide, slide.notes_slide) if slide.has_notes_slide else (slide,):
        settle_alternatives(sheet.element)
    reader = _Reader(slide, box)
    reader.read()
    shapes = [shape for shape in slide.element.iter(tag("p:sp"), tag("p:cxnSp")) if not list_texts(shape)]
    return Page(
        lecture, number, label="", width=box[2], height=box[3], engine="python-pptx", invisible=(),
        fragments=tuple(reader.fragments), pictures=tuple(reader.pictures), lost=tuple(reader.lost),
        extracted=sum(map(count_characters, _list_raw_texts(slide))), repaired=reader.repaired,
        unreadable=reader.unreadable, paths=len(shapes),
        hidden=slide.element.get("show") in ("0", "false"),
    )  # fmt: skip


def _list_raw_texts(slide: Any) -> Iterator[str]:
    """Yield all text in a slide's XML, whatever it belongs to: no more and no less may be read from it."""
    yield from list_texts(slide.element)
    notes = _find_notes(slide)
    yield from [] if notes is None else list_texts(notes.element)
    for frame in slide.element.iter(tag("p:graphicFrame")):
        chart, diagram = find_figure(slide.part, frame)
        yield from [] if chart is None else list_chart(chart)
        yield from [] if diagram is None else list_texts(diagram)


class _Reader:
    """What has been read of one slide so far. Whatever is added to its text or taken from it is counted."""

    def __init__(self, slide: Any, page: Box) -> None:
        self.slide, self.page = slide, page
        self.fragments: list[Fragment] = []
        self.pictures: list[Picture] = []
        self.lost: list[Loss] = []
        self.repaired = self.unreadable = 0

    def read(self) -> None:
        background = self.slide.element.find("p:cSld/p:bg", NS)
        if background is not None:
            self.read_pictures(background, self.page)
        self.read_shapes(self.slide.shapes, (1 / POINT, 1 / POINT, 0.0, 0.0))
        notes = _find_notes(self.slide)
        if notes is not None:
            size, lines = self.read_text(notes)
            self.keep(_join(lines), (0.0, self.page[3], self.page[2], self.page[3]), "note", size)

    def read_shapes(self, shapes: Any, frame: Frame) -> None:
        placed = [(_place(shape, frame), shape) for shape in shapes]
        for box, shape in _in_rows(placed, ROW * self.page[3]):
            if shape.element.tag == tag("p:grpSp"):
                self.read_shapes(shape.shapes, _enter(shape, frame))
            else:
                self.read_pictures(shape.element, box)
                self.read_shape(shape, box)

    def read_shape(self, shape: Any, box: Box) -> None:
        if shape.has_table:
            self.read_table(shape.element, box)
        elif shape.element.tag == tag("p:graphicFrame"):
            self.read_figure(shape.element, box)
        elif shape.has_text_frame:
            size, lines = self.read_text(shape)
            if placeholder(shape) in FEET:
                self.lose(_join(lines), "running head or foot", box)
            else:
                for kind, group in groupby(lines, key=lambda line: line[0]):
                    self.keep(_join(group), box, kind, size)

    def read_text(self, shape: Any) -> tuple[float, list[tuple[BlockKind, str]]]:
        """Return the size of a shape's letters, and its paragraphs with what each is."""
        paragraphs = [(p, find_styles(shape, p)) for p in shape.text_frame._txBody.iterfind("a:p", NS)]
        size = common_size(paragraphs)
        if is_code(paragraphs):
            return size, [("code", indent(p) + self.mend(spell(p, self.add).expandtabs(4))) for p, _ in paragraphs]
        shown = [(p, styles) for p, styles in paragraphs if not is_empty(p)]
        bullets = zip(shown, find_bullets(shown), strict=True)
        return size, [self.read_paragraph(p, bullet) for (p, _), bullet in bullets]

    def read_paragraph(self, paragraph: Any, bullet: str) -> tuple[BlockKind, str]:
        start = indent(paragraph) + self.add(bullet)
        text = self.mend(spell(paragraph, self.add)).strip().replace("\n", "\n" + " " * len(start))
        return "formula" if is_formula(paragraph) else "text", start + text

    def read_table(self, table: Any, box: Box) -> None:
        """Write a table as GitHub Markdown, whose first row is always a header."""
        rows = [[self.read_cell(cell, box) for cell in row.iterfind("a:tc", NS)] for row in table.iter(tag("a:tr"))]
        if any(text for row in rows for text in row):
            rows.insert(1, [self.add("---") for _ in rows[0]])
            lines = [f"| {' | '.join(row)} |" for row in rows]
            self.repaired += sum(len(row) + 1 for row in rows)
            self.keep("\n".join(lines), box, "table", 0.0)

    def read_cell(self, cell: Any, box: Box) -> str:
        text = " ".join(self.mend(spell(p, self.add)) for p in cell.iterfind("a:txBody/a:p", NS))
        text = " ".join(text.split())  # a row of Markdown is one line
        if {cell.get("hMerge"), cell.get("vMerge")} & {"1", "true"}:
            self.lose(text, "under a merged cell", box)
            return ""
        self.add("\\" * text.count("|"))
        return text.replace("|", "\\|")

    def read_figure(self, frame: Any, box: Box) -> None:
        chart, diagram = find_figure(self.slide.part, frame)
        lines = list_chart(chart) if chart is not None else []
        lines += list_diagram(diagram) if diagram is not None else []
        self.keep("\n".join(map(self.mend, lines)), box, "figure", 0.0)

    def read_pictures(self, element: Any, box: Box) -> None:
        for blob in find_images(self.slide.part, element):
            width, height = _measure(blob)
            self.pictures.append(Picture(name_image(blob), "bitmap", width, height, box, share(box, self.page)))

    def mend(self, text: str) -> str:
        mended, unreadable = repair(text), count_unreadable(text)
        self.unreadable += unreadable
        self.repaired += count_characters(mended) + unreadable - count_characters(text)
        return mended

    def add(self, sign: str) -> str:
        self.repaired += count_characters(sign)
        return sign

    def keep(self, text: str, box: Box, kind: BlockKind, size: float) -> None:
        if text.strip():
            lines = [line.rstrip() for line in text.strip("\n").split("\n")]
            self.fragments.append(Fragment("\n".join(lines), box, size, kind))

    def lose(self, text: str, reason: str, box: Box) -> None:
        if text.strip():
            self.lost.append(Loss(text.strip(), reason, box))


def _join(lines: Iterable[tuple[BlockKind, str]]) -> str:
    return "\n".join(line for _, line in lines)


def _place(shape: Any, frame: Frame) -> Box:
    """Return a shape's box in points."""
    left, top, width, height = (getattr(shape, name) or 0 for name in ("left", "top", "width", "height"))
    across, down, x, y = frame
    edges = (x + across * left, y + down * top, x + across * (left + width), y + down * (top + height))
    return round(edges[0], 1), round(edges[1], 1), round(edges[2], 1), round(edges[3], 1)


def _enter(group: Any, frame: Frame) -> Frame:
    """Return the frame of the shapes in a group, which have units of their own."""
    place = group.element.find("p:grpSpPr/a:xfrm", NS)
    if place is None:
        return frame
    x, y = (int(place.find("a:chOff", NS).get(name)) for name in "xy")
    width, height = (int(place.find("a:chExt", NS).get(name)) for name in ("cx", "cy"))
    across = frame[0] * (group.width / width if width else 1)
    down = frame[1] * (group.height / height if height else 1)
    return across, down, frame[2] + frame[0] * group.left - across * x, frame[3] + frame[1] * group.top - down * y


def _in_rows(placed: Sequence[tuple[Box, Any]], tolerance: float) -> list[tuple[Box, Any]]:
    """Order shapes: the title, then row by row, each from left to right."""
    rows: list[list[tuple[Box, Any]]] = []
    for box, shape in sorted(placed, key=lambda item: item[0][1]):
        if rows and box[1] - rows[-1][0][0][1] <= tolerance:
            rows[-1].append((box, shape))
        else:
            rows.append([(box, shape)])
    ordered = [item for row in rows for item in sorted(row, key=lambda item: item[0][0])]
    return sorted(ordered, key=lambda item: placeholder(item[1]) not in TITLES)


def _find_notes(slide: Any) -> Any | None:
    """Return the shape that holds a slide's speaker notes."""
    return slide.notes_slide.notes_placeholder if slide.has_notes_slide else None


def _measure(image: bytes) -> tuple[int, int]:
    """Return an image's width and height in pixels; 0, 0 where Pillow does not know the format."""
    try:
        with Image.open(BytesIO(image)) as opened:
            return opened.size
    except Exception:  # whatever a damaged image makes Pillow raise, the slide's text must go through
        return 0, 0
