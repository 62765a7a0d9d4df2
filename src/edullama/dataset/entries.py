"""Training entries: the text of a slide, or a piece of an oversize one."""

import re
from collections.abc import Sequence
from statistics import mean

from edullama.records import Entry, Rejection, Slide

FEWEST_WORDS = 5
OVERSIZE = 2.0  # times the mean number of words: longer entries are split into pieces of about the mean
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ])")


def make_entries(slides: Sequence[Slide]) -> tuple[list[Entry], list[Rejection]]:
    """Make entries of the slides that say something, and tell what was left out and why."""
    reasons = [(slide, why_drop(slide)) for slide in slides]
    dropped = [Rejection(slide_id(slide), reason, slide.text) for slide, reason in reasons if reason]
    kept = [slide for slide, reason in reasons if not reason]
    average = mean(count_words(entry_text(slide)) for slide in kept) if kept else 0.0
    return [entry for slide in kept for entry in _split(slide, average)], dropped


def why_drop(slide: Slide) -> str | None:
    """Say why this slide teaches nothing, or None to keep it."""
    if slide.kind == "blank":
        return "blank"
    if count_words(entry_text(slide)) < FEWEST_WORDS:
        return f"fewer than {FEWEST_WORDS} words"
    return None


def slide_id(slide: Slide) -> str:
    """Return an id that no other lecture and no other slide can change."""
    return f"{slide.lecture}:{slide.pages[0]}"


def entry_text(slide: Slide) -> str:
    """Return the title, then everything else in reading order."""
    return "\n".join(_parts(slide))


def count_words(text: str) -> int:
    """Count what holds a letter; bullets and numbers are no words."""
    return sum(any(char.isalpha() for char in word) for word in text.split())


def _parts(slide: Slide) -> list[str]:
    texts = [block.text for block in slide.blocks]
    title = next((text for text in texts if slide.title and " ".join(text.split()) == slide.title), None)
    if title is not None:
        texts.remove(title)
    return [slide.title, *texts] if slide.title else texts


def _split(slide: Slide, average: float) -> list[Entry]:
    """Return the slide as one entry, or as pieces of about the mean length that all begin with its title."""
    text = entry_text(slide)
    if count_words(text) <= OVERSIZE * average:
        return [_entry(slide, 1, text)]
    title, *blocks = _parts(slide) if slide.title else ["", *_parts(slide)]
    pieces = _pack([unit for block in blocks for unit in _units(block, average)], average)
    return [_entry(slide, number, f"{title}\n{piece}".strip()) for number, piece in enumerate(pieces, 1)]


def _entry(slide: Slide, number: int, text: str) -> Entry:
    suffix = f"-{number}" if number > 1 else ""
    return Entry(f"{slide_id(slide)}{suffix}", slide.lecture, text, slide.pages)


def _units(block: str, average: float) -> list[str]:
    """Return a block whole, or where it is too long by itself its lines, and of too long lines the sentences."""
    if count_words(block) <= average:
        return [block]
    lines = ([line] if count_words(line) <= average else SENTENCE_END.split(line) for line in block.splitlines())
    return [unit for units in lines for unit in units]


def _pack(units: Sequence[str], average: float) -> list[str]:
    """Fill pieces up to about the mean, in order; what is left at the end goes with the piece before."""
    pieces: list[list[str]] = [[]]
    for unit in units:
        full = _count_all(pieces[-1]) + count_words(unit) / 2 > average
        if pieces[-1] and full:
            pieces.append([])
        pieces[-1].append(unit)
    if len(pieces) > 1 and _count_all(pieces[-1]) < average / 2:
        rest = pieces.pop()
        pieces[-1].extend(rest)
    return ["\n".join(piece) for piece in pieces]


def _count_all(units: Sequence[str]) -> int:
    return sum(count_words(unit) for unit in units)
