"""What a PDF page shows, before anything is decided about it."""

from collections.abc import Iterable
from dataclasses import dataclass

from edullama.records import Box


@dataclass(frozen=True, slots=True)
class Line:
    """Text set on one line."""

    text: str
    box: Box
    size: float  # that most of its letters have, in points
    mono: bool  # every letter has the same width, as in code
    bold: bool


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of text that stands together."""

    text: str
    box: Box
    size: float  # of its letters, in points


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as one page shows it."""

    image: str  # the same for the same image anywhere
    width: int  # pixels
    height: int
    area: float  # share of the page


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a lecture as its text layer and its drawings tell it."""

    lecture: str
    number: int  # 1-based
    width: float  # points
    height: float
    fragments: tuple[Fragment, ...]  # in reading order
    pictures: tuple[Picture, ...]
    unreadable: int  # characters of the text layer that stand for no letter
    paths: int  # lines and shapes; counted only where there is hardly any text
    engine: str  # what read it
    problem: str = ""  # why nothing could read it


@dataclass(frozen=True, slots=True)
class Scan:
    """What OCR read on a page."""

    lecture: str
    number: int
    fragments: tuple[Fragment, ...]
    problem: str = ""


def count_letters(fragments: Iterable[Fragment]) -> int:
    """Count letters of any script."""
    return sum(char.isalpha() for fragment in fragments for char in fragment.text)


def union(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around all."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)
