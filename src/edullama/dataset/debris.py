"""What stands on a slide and teaches nothing as text: addresses, labels in figures, signs by themselves, repetitions.

The rules leave whole blocks of code and tables alone, and every line that could be a sentence.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from edullama.records import Block, Removed, Slide

ADDRESS = re.compile(r"https?://\S*|www\.\S+|(?:\{[^{}@]+\}|(?<![^\s@])[^\s@]+) ?@ ?[\w}-]+ ?(?:\.\w+)+")
GOES_ON = re.compile(r"(?:https?://|www\.)\S*[/_-]$")  # an address that is broken off there
LABEL = re.compile(r"(?:\S+ ){0,3}\S*:")  # of an address, "Slides and code: https://…"; "git clone https://…" says more
WORD = re.compile(r"[^\W\d_]{3,}")
STATES = re.compile(r"\w.*[=<>≤≥≠≈≡∼∈∉⊂⊆∝→←⇒⇔↦≪≫].*\w", re.DOTALL)  # two sides, and what holds between them
FIGURE_WORD = re.compile(r"[^\W\d_]{2,}")
FEWEST_FIGURE_WORDS, FEWEST_SMALL = 3, 2  # of a line in a figure that is a sentence and no label, title or name
FEWEST_TWICE = 3  # words of a block that is not there twice by chance


def clean_slides(slides: Sequence[Slide]) -> tuple[list[Slide], list[Removed]]:
    """Return the slides without what teaches nothing, and each piece that was taken out with the reason."""
    cleaned, removed = [], []
    for slide in slides:
        blocks, own = _clean(slide)
        cleaned.append(replace(slide, blocks=tuple(blocks)))
        removed += own
    return cleaned, removed


def _clean(slide: Slide) -> tuple[list[Block], list[Removed]]:
    blocks: list[Block] = []
    removed: list[Removed] = []
    before: set[str] = set()
    for block in slide.blocks:
        is_title = _flat(block) == slide.title and slide.title not in before
        pieces = [(block.text, "")] if is_title else list(_judge(block, before))
        kept = "\n".join(piece for piece, reason in pieces if not reason)
        if kept:
            blocks.append(replace(block, text=kept))
            before.add(_flat(blocks[-1]))
        removed += [Removed(slide.lecture, block.page, reason, piece, block.box) for piece, reason in pieces if reason]
    return blocks, removed


def _judge(block: Block, before: set[str]) -> Iterator[tuple[str, str]]:
    """Yield a block as a whole or line by line, each time with why it goes, or nothing."""
    reason = _why_remove_block(block, before)
    if reason or block.kind in ("code", "table"):
        yield block.text, reason
        return
    above = ""
    for line in block.text.splitlines():
        reason = _why_remove_line(line.strip(), above, block)
        yield line, reason
        above = line.strip() if not reason or GOES_ON.search(line.strip()) else ""


def _why_remove_block(block: Block, before: set[str]) -> str:
    if block.kind in ("code", "table"):
        return ""
    if not WORD.search(block.text) and not STATES.search(block.text):
        return "a number or a sign by itself"
    return "stands there twice" if len(WORD.findall(block.text)) >= FEWEST_TWICE and _flat(block) in before else ""


def _why_remove_line(line: str, above: str, block: Block) -> str:
    """Say why a line goes, or nothing; `above` is the line before where that stays, or is an address that goes on."""
    is_read = block.kind == "figure" and block.method == "ocr"
    if (GOES_ON.search(above) and " " not in line) or (ADDRESS.search(line) and (is_read or _is_address(line))):
        return "an address"
    return "a label in a figure" if is_read and _is_label(line) and not _goes_on(above, line) else ""


def _is_address(line: str) -> bool:
    """Tell whether addresses stand in a line alone, or behind a label."""
    beside = ADDRESS.sub("", line).strip(" \t•▶▪–-,;|()[]<>")
    return not WORD.search(beside) or LABEL.fullmatch(beside) is not None


def _is_label(line: str) -> bool:
    words = FIGURE_WORD.findall(line)
    return len(words) < FEWEST_FIGURE_WORDS or sum(map(str.islower, words)) < FEWEST_SMALL


def _goes_on(above: str, line: str) -> bool:
    """Tell whether a line is the rest of a sentence."""
    return above[-1:] not in ("", ".", "!", "?", ":") and line[:1].islower()


def _flat(block: Block) -> str:
    return " ".join(block.text.split())
