"""Training entries: the text of a slide, or a piece of an oversize one."""

from collections.abc import Callable, Sequence
from statistics import mean
from typing import TypeAlias

from edullama.dataset.sentences import split_sentences
from edullama.records import Block, Entry, Rejection, Slide

FEWEST_WORDS = 5
OVERSIZE = 2.0  # times the mean number of words: longer entries are split into pieces of about the mean
Cut: TypeAlias = Callable[[str], list[str]]
PROSE: tuple[Cut, ...] = (split_sentences, str.splitlines)  # where blocks are cut that are too long by themselves
LINES: tuple[Cut, ...] = (str.splitlines,)


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
    texts = [block.text for block in _below_title(slide)]
    return "\n".join([slide.title, *texts] if slide.title else texts)


def count_words(text: str) -> int:
    """Count what holds a letter; bullets and numbers are no words."""
    return sum(any(char.isalpha() for char in word) for word in text.split())


def _below_title(slide: Slide) -> list[Block]:
    """Return the blocks without the one that the title was read from."""
    blocks = list(slide.blocks)
    title = next((block for block in blocks if slide.title and " ".join(block.text.split()) == slide.title), None)
    if title is not None:
        blocks.remove(title)
    return blocks


def _split(slide: Slide, average: float) -> list[Entry]:
    """Return the slide as one entry, or as pieces of about the mean length that all begin with its title."""
    text = entry_text(slide)
    if count_words(text) <= OVERSIZE * average:
        return [_entry(slide, 1, text)]
    pieces = _pack([unit for block in _below_title(slide) for unit in _cut_block(block, average)], average)
    return [_entry(slide, number, f"{slide.title}\n{piece}".strip()) for number, piece in enumerate(pieces, 1)]


def _entry(slide: Slide, number: int, text: str) -> Entry:
    suffix = f"-{number}" if number > 1 else ""
    return Entry(f"{slide_id(slide)}{suffix}", slide.lecture, text, slide.pages)


def _cut_block(block: Block, average: float) -> list[str]:
    return _cut(block.text, average, LINES if block.kind in ("code", "table", "formula") else PROSE)


def _cut(text: str, average: float, cuts: Sequence[Cut]) -> list[str]:
    """Return a text whole where it is no longer than the mean, else cut by the first way, its parts by the next.

    A line that is oversize by itself is cut between words.
    """
    if count_words(text) <= average:
        return [text]
    if cuts:
        return [unit for part in cuts[0](text) for unit in _cut(part, average, cuts[1:])]
    return _cut_words(text, average) if count_words(text) > OVERSIZE * average else [text]


def _cut_words(text: str, average: float) -> list[str]:
    """Return pieces of equal length, as near to the mean as that goes."""
    words = text.split()
    size = -(-len(words) // max(1, round(count_words(text) / average)))
    return [" ".join(words[start : start + size]) for start in range(0, len(words), size)]


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
