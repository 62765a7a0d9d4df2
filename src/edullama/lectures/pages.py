"""What a page shows, before anything is decided about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edullama.records import BlockKind, Box, Method

HYPHEN = "-\u00ad"  # a hyphen at the end of a line, before it is known whether it belongs to the word


@dataclass(frozen=True, slots=True)
class Line:
    """Text set on one line."""

    text: str
    box: Box
    size: float  # that most of its letters have, in points
    mono: bool  # every letter has the same width, as in code
    bold: bool
    maths: float = 0.0  # share of its characters that are set in a font for formulas
    faded: bool = False  # in light grey, as points of a list are that are not the one being talked about


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of text that stands together."""

    text: str
    box: Box
    size: float  # of its letters, in points
    kind: BlockKind = "text"
    method: Method = "text"
    faded: bool = False  # some line of it is in light grey


@dataclass(frozen=True, slots=True)
class Picture:
    """An image or a drawing as one page shows it."""

    image: str  # the same for the same image anywhere
    what: Literal["bitmap", "tiles", "vector"]
    width: int  # pixels; of a drawing, points
    height: int
    box: Box
    area: float  # share of the page
    xref: int = 0  # number of a bitmap in its PDF; 0: it has none
    silent: bool = False  # a drawing without text in it: its labels, if any, are drawn as well


@dataclass(frozen=True, slots=True)
class Loss:
    """Text that was taken out, and why."""

    text: str
    reason: str
    box: Box


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a lecture as its text layer and its drawings tell it.

    The characters in fragments, invisible ones and losses add up to `extracted + repaired - unreadable`.
    """

    lecture: str
    number: int  # 1-based
    label: str  # beamer gives all steps of one slide the same
    width: float  # points
    height: float
    fragments: tuple[Fragment, ...]  # in reading order
    pictures: tuple[Picture, ...]
    invisible: tuple[Fragment, ...]  # text that is not drawn: what a program recognised in a scan or in handwriting
    lost: tuple[Loss, ...]
    extracted: int  # characters, white space aside
    repaired: int  # characters that taking ligatures apart, setting accents and the like added or, below 0, took away
    unreadable: int  # characters of the text layer that stand for no letter
    paths: int  # lines and shapes
    engine: str  # what read it
    problem: str = ""  # why nothing could read it
    hidden: bool = False  # a PPTX slide that is not shown


@dataclass(frozen=True, slots=True)
class Scan:
    """What OCR read on a page, or on the part of it that shows a figure."""

    fragments: tuple[Fragment, ...]
    problem: str = ""
    lost: tuple[Loss, ...] = ()  # read, but too unsurely to be trusted


def count_letters(fragments: Iterable[Fragment]) -> int:
    """Count letters of any script."""
    return sum(char.isalpha() for fragment in fragments for char in fragment.text)


def count_characters(text: str) -> int:
    """Count what is not white space; the mark that a hyphen ended a line is none."""
    return len("".join(text.split())) - text.count("\u00ad")


def union(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around all."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, in square points."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def area(box: Box) -> float:
    """Return a box's area in square points."""
    return (box[2] - box[0]) * (box[3] - box[1])


class UnreadableError(Exception):
    """A file that yields no page: what is wrong with it, and what its owner can do."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.problem, self.advice = problem, advice
