"""Pictures of pages and figures, for OCR and for description."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pymupdf

from edullama.records import Box

MOST_PIXELS = 10e6  # of a picture for OCR: larger ones take minutes and read no better
FLAT = 6  # shades of 256
WHITE = 255
FIGURE_DPI = 150  # for vision models
DARK = 110  # shade that half of a row is darker than, in a bar
MOSTLY = 0.5  # of the rows: the whole page is dark then, which OCR copes with
COLUMN_STEP = 8  # pixels
mupdf: Any = pymupdf  # its functions have no types


def render(document: Any, number: int, box: Box | None, dpi: int, *, blank_text: bool) -> Any:
    """Draw a page (1-based), or the part of it in a box, in grey; its drawn text painted over where asked."""
    page = document[number - 1]
    clip = mupdf.Rect(box) if box else page.rect
    scale = min(dpi / 72, (MOST_PIXELS / max(1.0, abs(clip.width * clip.height))) ** 0.5)
    pixmap = page.get_pixmap(matrix=mupdf.Matrix(scale, scale), clip=clip, colorspace="gray")
    if blank_text:
        for left, top, right, bottom in _text_boxes(page):
            area = mupdf.IRect(*(round(edge * scale) for edge in (left, top, right, bottom)))
            pixmap.set_rect(area, (WHITE,))
    return pixmap


def lighten_bars(pixmap: Any) -> None:
    """Invert, in place, the dark bars that cross a grey picture: OCR misses white titles on them."""
    pixels = np.frombuffer(pixmap.samples_mv, np.uint8).reshape(pixmap.height, pixmap.stride)
    shades = np.median(pixels[:, : pixmap.width : COLUMN_STEP], axis=1)
    dark = shades < DARK
    if dark.mean() < MOSTLY:
        above = pixels[dark].astype(np.int16) - shades[dark, None].astype(np.int16)
        pixels[dark] = WHITE - above.clip(0, WHITE)


def draw(document: Any, number: int, box: Box) -> bytes | None:
    """Draw a figure as its page (1-based) shows it, with its labels, in colour, as PNG; None where it cannot be."""
    try:
        page = document[number - 1]
        return bytes(page.get_pixmap(clip=mupdf.Rect(box), dpi=FIGURE_DPI).tobytes("png"))
    except RuntimeError:
        return None


def is_flat(pixmap: Any) -> bool:
    """Tell whether a grey picture shows nothing: it is all of one shade."""
    samples = bytes(pixmap.samples_mv[:: max(1, len(pixmap.samples_mv) // 200_000)])
    return max(samples) - min(samples) < FLAT


def _text_boxes(page: Any) -> Iterator[Box]:
    """Yield the boxes of all words that are drawn as text."""
    for block in page.get_text("dict", flags=mupdf.TEXT_PRESERVE_WHITESPACE)["blocks"]:
        for line in block["lines"]:
            for span in line["spans"]:
                if span["alpha"] and span["text"].strip() and "\ufffd" not in span["text"]:
                    yield span["bbox"]
