"""Small decks, made with python-pptx."""

import re
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from pptx.oxml import parse_xml
from pptx.util import Pt

from edullama.lectures.drawingml import NS
from edullama.lectures.pages import Page, count_characters
from edullama.lectures.pptx import read_slides

TITLE_AND_CONTENT, BLANK = 1, 6  # layouts of python-pptx's own template, whose slides are 720 by 540 points
NAMESPACES = " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in NS.items())


def add_slide(deck: Any, layout: int = BLANK) -> Any:
    return deck.slides.add_slide(deck.slide_layouts[layout])


def add_text(shapes: Any, text: str, left: float, top: float, width: float = 100, height: float = 40) -> Any:
    box = shapes.add_textbox(Pt(left), Pt(top), Pt(width), Pt(height))
    box.text_frame.text = text
    return box


def add_xml(parent: Any, xml: str) -> None:
    parent.append(parse_xml(re.sub(r"^<[\w:]+", rf"\g<0> {NAMESPACES}", xml)))


def read(deck: Any, path: Path) -> list[Page]:
    """Save and read a deck; of whatever it says, no character may be lost or made up."""
    deck.save(str(path))
    pages = list(read_slides(path, "a", range(1, len(deck.slides) + 1)))
    for page in pages:
        shown = [*texts(page), *(loss.text for loss in page.lost)]
        assert sum(map(count_characters, shown)) == page.extracted + page.repaired - page.unreadable
    return pages


def texts(page: Page) -> list[str]:
    return [fragment.text for fragment in page.fragments]


def png(colour: str, size: tuple[int, int] = (8, 4)) -> BytesIO:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file
