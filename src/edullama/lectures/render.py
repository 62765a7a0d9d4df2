"""Pictures of pages and figures, for OCR and for description."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pymupdf
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edullama.records import Box

MOST_PIXELS = 10e6  # of a picture for OCR: larger ones take minutes and read no better
FLAT = 6  # shades of 256
WHITE = 255
LEAST_INK = 50  # pixels: a full stop at 300 dpi
FIGURE_DPI = 150  # for vision models
DARK = 110  # shade that half of a row is darker than, in a bar
MOSTLY = 0.5  # of the rows: the whole page is dark then, which OCR copes with
COLUMN_STEP = 8  # pixels
LEAST_BAR = 32  # pixels: a bar has room for letters
MARGIN = 100  # of the width that the ends of a bar are looked at
TILE = 16  # pixels, less than a letter's height
LEAST_CONTRAST = 30  # shades; weaker is noise
mupdf: Any = pymupdf  # its functions have no types


def render(document: Any, number: int, box: Box | None, dpi: int, *, blank_text: bool) -> Any:
    """Draw a page (1-based), or the part of it in a box, in grey; its drawn text painted over where asked."""
    page = document[number - 1]
    clip = mupdf.Rect(box) if box else page.rect
    scale = min(dpi / 72, (MOST_PIXELS / max(1.0, abs(clip.width * clip.height))) ** 0.5)
    pixmap = page.get_pixmap(matrix=mupdf.Matrix(scale, scale), clip=clip, colorspace="gray")
    if blank_text:
        paint_over(pixmap, _text_boxes(page), 72 * scale)
    return pixmap


def paint_over(pixmap: Any, boxes: Iterable[Box], dpi: float) -> None:
    """Make boxes, in points, of a grey picture white."""
    for box in boxes:
        pixmap.set_rect(mupdf.IRect(*(round(edge * dpi / 72) for edge in box)), (WHITE,))


def lighten_bars(pixmap: Any) -> None:
    """Invert, in place, the dark bars that cross a grey picture: OCR misses white titles on them.

    A bar is known by both its ends, since a long title covers most of its middle, or by most of a row.
    """
    pixels = np.frombuffer(pixmap.samples_mv, np.uint8).reshape(pixmap.height, pixmap.stride)[:, : pixmap.width]
    margin = max(1, pixmap.width // MARGIN)
    ends = np.median(np.hstack([pixels[:, :margin], pixels[:, -margin:]]), axis=1)
    shades = np.minimum(ends, np.median(pixels[:, ::COLUMN_STEP], axis=1))
    dark = _in_runs(shades < DARK)
    if dark.mean() < MOSTLY:
        above = pixels[dark].astype(np.int16) - shades[dark, None].astype(np.int16)
        pixels[dark] = WHITE - above.clip(0, WHITE)


def _in_runs(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return rows that stand in runs as high as a bar: a few dark ones are those of a wide line in bold."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], rows, [False])).astype(np.int8)))
    kept = np.zeros_like(rows)
    for start, end in edges.reshape(-1, 2):
        kept[start:end] = end - start >= LEAST_BAR
    return kept


def even_out(pixmap: Any) -> None:
    """Make letters black and what they stand on white, in place: Tesseract has one threshold for all of a grey picture.

    Shades are spread between the darkest and the lightest nearby.
    """
    width, height = pixmap.width, pixmap.height
    pixels = np.frombuffer(pixmap.samples_mv, np.uint8).reshape(height, pixmap.stride)[:, :width]
    rows, columns = -(-height // TILE), -(-width // TILE)
    padded = np.pad(pixels, ((0, rows * TILE - height), (0, columns * TILE - width)), mode="edge")
    tiles = padded.reshape(rows, TILE, columns, TILE)
    darkest, lightest = tiles.min(axis=(1, 3)), tiles.max(axis=(1, 3))
    low, high = _smooth(darkest, ImageFilter.MinFilter(5)), _smooth(lightest, ImageFilter.MaxFilter(3))
    spread = (high - padded) * (WHITE / np.maximum(high - low, LEAST_CONTRAST))
    pixels[:] = (WHITE - spread[:height, :width]).clip(0, WHITE)


def _smooth(shades: NDArray[np.uint8], widen: ImageFilter.Filter) -> NDArray[np.float32]:
    """Blow up a value a tile to one a pixel."""
    rows, columns = shades.shape
    image = Image.fromarray(shades).filter(widen).filter(ImageFilter.BoxBlur(2))
    return np.asarray(image.resize((columns * TILE, rows * TILE), Image.Resampling.BILINEAR), np.float32)


def has_ink(pixmap: Any) -> bool:
    """Tell whether an evened out picture has anything dark that may be a letter."""
    pixels = np.frombuffer(pixmap.samples_mv, np.uint8).reshape(pixmap.height, pixmap.stride)[:, : pixmap.width]
    return bool(np.count_nonzero(pixels < DARK) > LEAST_INK)


def draw(document: Any, number: int, box: Box) -> bytes | None:
    """Draw a figure as its page (1-based) shows it, with its labels, in colour, as PNG; None where it cannot be."""
    try:
        page = document[number - 1]
        return bytes(page.get_pixmap(clip=mupdf.Rect(box), dpi=FIGURE_DPI).tobytes("png"))
    except (RuntimeError, mupdf.mupdf.FzErrorBase):
        return None


def is_flat(pixmap: Any) -> bool:
    """Tell whether a grey picture shows nothing: it is all of one shade."""
    if not pixmap.width or not pixmap.height:
        return True
    samples = bytes(pixmap.samples_mv[:: max(1, len(pixmap.samples_mv) // 200_000)])
    return max(samples) - min(samples) < FLAT


def _text_boxes(page: Any) -> Iterator[Box]:
    """Yield the boxes of all words that are drawn as text."""
    for block in page.get_text("dict", flags=mupdf.TEXT_PRESERVE_WHITESPACE)["blocks"]:
        for line in block["lines"]:
            for span in line["spans"]:
                if span["alpha"] and span["text"].strip() and "\ufffd" not in span["text"]:
                    yield tuple(mupdf.Rect(span["bbox"]) * page.rotation_matrix)
