"""The forms a course can be learnt in, each made from the same slides."""

from collections.abc import Callable

from edullama.dataset.windows import half_slides, make_windows
from edullama.records import Entry, Pair, Window
from edullama.store import Workspace

Text = Window | Pair
Make = Callable[[Workspace], list[Text]]


def windows(size: int) -> Make:
    """So many consecutive slides as one plain text."""
    return lambda work: list(make_windows(work.read("prepare", "entries.jsonl", Entry), size, size))


def halves(work: Workspace) -> list[Text]:
    """Half a slide as one plain text: the original's comparison."""
    return list(half_slides(work.read("prepare", "entries.jsonl", Entry)))


def pairs(*kinds: str) -> Make:
    """Answers to prompts of these kinds."""
    return lambda work: [pair for pair in work.read("prepare", "pairs.jsonl", Pair) if pair.kind in kinds]


def together(*parts: Make) -> Make:
    return lambda work: [text for part in parts for text in part(work)]


FORMS: dict[str, Make] = {
    "half slides": halves,
    "single slides": windows(1),
    "windows of four slides": windows(4),
    "explanations": pairs("explanation"),
    "statements": pairs("statement"),
    "explanations, statements": pairs("explanation", "statement"),
    "windows, statements": together(windows(4), pairs("statement")),
    "all pairs": pairs("explanation", "statement", "question"),
}
