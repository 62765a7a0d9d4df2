"""What images look like, small: thumbnails for a person, and bits by which one image saved in two ways is known."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
import pymupdf
from isal import isal_zlib
from PIL import Image

from edullama.lectures.pages import Page, Picture

THUMBNAIL = 100  # pixels, at least, its longer side
COMPARED = 9, 8  # pixels
FLAT = 6  # shades of 256
SMALL = 0.06  # of the page: logos and icons, which are saved in several sizes
SPOTS = 32  # across and down
SAME_SHADE = 24  # of 256: JPEG changes spots by less, a word by more
ALIKE = 2  # bits of 64 in which the looks of the same image may differ
BITS = 8  # bytes
WHOLE_PAGE = 0.9  # a scan: two of them may show the same table of contents, with another line marked
mupdf: Any = pymupdf  # its functions have no types
core: Any = pymupdf.mupdf


@dataclass(frozen=True, slots=True)
class Look:
    """A JPEG, and 64 bits of where the image gets brighter from left to right (a difference hash)."""

    jpeg: bytes
    bits: int
    flat: bool  # all of one shade, so that its bits tell nothing

    def pack(self) -> bytes:
        """Return the look as bytes for a cache."""
        return self.bits.to_bytes(BITS) + bytes([self.flat]) + self.jpeg

    @staticmethod
    def unpack(value: bytes) -> "Look":
        """Return the look that `pack` made bytes of."""
        return Look(value[BITS + 1 :], int.from_bytes(value[:BITS]), bool(value[BITS]))


def make_look(document: Any, drawn: Any, picture: Picture) -> Look:
    """Look at a bitmap's own pixels; at what is made of several parts as its page (a display list) shows it."""
    return look_at(_shrink_bitmap(document, picture) if picture.xref else _draw_part(drawn, picture))


def mask_of(document: Any, xref: int) -> int:
    """Return the number of the image that says where a bitmap is transparent, 0 without one."""
    kind, value = document.xref_get_key(xref, "SMask")
    return int(value.split()[0]) if kind == "xref" else 0


def look_at(image: Image.Image) -> Look:
    """Look at an image of about a thumbnail's size, grey or in colour."""
    shades = image.convert("L").resize(COMPARED, Image.Resampling.BOX).tobytes()
    file = BytesIO()
    image.save(file, "JPEG", quality=70)
    return Look(file.getvalue(), _compare(shades), max(shades) - min(shades) < FLAT)


def unite_alike(pages: Sequence[Page], looks: Mapping[str, Look]) -> list[Page]:
    """Give images of one shape that look the same one name: exports save one logo in several ways."""
    names = _names_by_look(pages, looks)
    return [
        replace(page, pictures=tuple(replace(p, image=names.get(p.image, p.image)) for p in page.pictures))
        for page in pages
    ]


def _names_by_look(pages: Iterable[Page], looks: Mapping[str, Look]) -> dict[str, str]:
    """Return, for each image that looks like an earlier one, that one's name."""
    pictures = [picture for page in pages for picture in page.pictures if picture.area < WHOLE_PAGE]
    shapes = {p.image: (p.what, round(p.width / max(1, p.height), 1)) for p in pictures}
    areas = {picture.image: picture.area for picture in pictures}
    known: dict[tuple[str, float], list[str]] = defaultdict(list)
    names = {}
    for image, shape in shapes.items():
        look = looks.get(image)
        if look is None or look.flat:
            continue
        same = next((one for one in known[shape] if _is_same(looks[one], look, small=areas[image] < SMALL)), None)
        if same is None:
            known[shape].append(image)
        else:
            names[image] = same
    return names


def _is_same(one: Look, other: Look, *, small: bool) -> bool:
    """Tell whether two looks are of one image, by their bits; in a large one no spot may differ, as by another word."""
    if (one.bits ^ other.bits).bit_count() > ALIKE or small:
        return (one.bits ^ other.bits).bit_count() <= ALIKE
    first, second = (np.asarray(_spots(look), np.int16) for look in (one, other))
    return bool(np.abs(first - second).max() <= SAME_SHADE)


def _spots(look: Look) -> Image.Image:
    with Image.open(BytesIO(look.jpeg)) as image:
        return image.convert("L").resize((SPOTS, SPOTS), Image.Resampling.BOX)


def _shrink_bitmap(document: Any, picture: Picture) -> Image.Image:
    """Decode a bitmap, on white, at about the size of a thumbnail, which spares most of the work."""
    image = _shrink_plain(document, picture) or _shrink_any(document, picture.xref)
    mask = mask_of(document, picture.xref)
    if not mask:
        return image
    opaque = _shrink_any(document, mask).convert("L").resize(image.size)
    return Image.composite(image.convert("RGB"), Image.new("RGB", image.size, "white"), opaque)


def _shrink_plain(document: Any, picture: Picture) -> Image.Image | None:
    """Take every so manieth pixel of a bitmap that is merely compressed, as plots are; None for any other.

    igzip takes a third of zlib's time, which is most of what a deck of large plots costs.
    """
    if document.xref_get_key(picture.xref, "Filter")[1] != "/FlateDecode":
        return None
    if document.xref_get_key(picture.xref, "DecodeParms")[0] != "null":
        return None
    size = picture.width * picture.height
    content = isal_zlib.decompressobj().decompress(document.xref_stream_raw(picture.xref), 4 * size)
    grey = document.xref_get_key(picture.xref, "ColorSpace")[1] == "/DeviceGray"
    if len(content) != (size if grey else 3 * size):
        return None
    pixels = np.frombuffer(content, np.uint8).reshape(picture.height, picture.width, 1 if grey else 3)
    step = max(1, max(picture.width, picture.height) // THUMBNAIL)
    chosen = np.ascontiguousarray(pixels[::step, ::step])
    return Image.fromarray(chosen[:, :, 0] if grey else chosen)


def _shrink_any(document: Any, xref: int) -> Image.Image:
    reference = core.pdf_new_indirect(mupdf._as_pdf_document(document), xref, 0)
    image = core.pdf_load_image(mupdf._as_pdf_document(document), reference)
    scale = min(1.0, THUMBNAIL / max(image.w(), image.h()))
    whole = core.FzIrect(mupdf.FZ_MIN_INF_RECT, mupdf.FZ_MIN_INF_RECT, mupdf.FZ_MAX_INF_RECT, mupdf.FZ_MAX_INF_RECT)
    size = core.FzMatrix(image.w() * scale, 0, 0, image.h() * scale, 0, 0)
    return _to_pillow(mupdf.Pixmap(core.fz_get_pixmap_from_image(image, whole, size)[0]))


def _draw_part(drawn: Any, picture: Picture) -> Image.Image:
    side = max(picture.box[2] - picture.box[0], picture.box[3] - picture.box[1])
    scale = THUMBNAIL / max(1.0, side)
    return _to_pillow(drawn.get_pixmap(matrix=mupdf.Matrix(scale, scale), clip=mupdf.Rect(picture.box)))


def _to_pillow(pixmap: Any) -> Image.Image:
    opaque = mupdf.Pixmap(pixmap, 0) if pixmap.alpha else pixmap
    colour = mupdf.Pixmap(mupdf.csRGB, opaque) if opaque.colorspace and opaque.n > 1 else opaque
    mode = "RGB" if colour.n == 3 else "L"
    size = colour.width, colour.height
    return Image.frombuffer(mode, size, bytes(colour.samples_mv), "raw", mode, colour.stride, 1)


def _compare(samples: Sequence[int]) -> int:
    width, height = COMPARED
    rows = [samples[row * width : (row + 1) * width] for row in range(height)]
    return sum((row[i] < row[i + 1]) << (8 * y + i) for y, row in enumerate(rows) for i in range(width - 1))
