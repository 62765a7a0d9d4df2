"""Texts that a training run is watched by: a few of the course's own that it does not learn, and general prose."""

from collections.abc import Sequence
from importlib.resources import files

from edullama.records import Pair, Window, stable_id

FEWEST_TEXTS = 40  # below, none is spared
FEWEST_HELD_OUT = 2


def hold_out(
    texts: Sequence[Window | Pair], share: float, fewest_texts: int = FEWEST_TEXTS
) -> tuple[list[Window | Pair], list[Window | Pair]]:
    """Part texts into those to learn and about that share to watch, by a hash of their ids.

    No slide of a watched text stands in one that is learnt; what holds slides of both sides is in neither list. Windows
    are chosen first, and take along the pairs of their slides.
    """
    if not share or len(texts) < fewest_texts:
        return list(texts), []
    wanted, slides = max(FEWEST_HELD_OUT, round(share * len(texts))), set[str]()
    for text in sorted(texts, key=lambda text: (isinstance(text, Pair), stable_id("held out", text.id))):
        if sum(bool(slides & covered(other)) for other in texts) >= wanted:
            break
        slides |= covered(text)
    learnt = [text for text in texts if not slides & covered(text)]
    return learnt, [text for text in texts if covered(text) <= slides]


def covered(text: Window | Pair) -> set[str]:
    """Return the slides that a text was made of, as "lecture:page"; a text that names none stands for itself."""
    slides = text.slides if isinstance(text, Pair) else tuple(map(_slide_of, text.entries))
    return set(slides) or {text.id}


def _slide_of(entry_id: str) -> str:
    """Return the slide of an entry, which may be one of its pieces: "lecture:7-2" is of "lecture:7"."""
    lecture, _, page = entry_id.rpartition(":")
    return f"{lecture}:{page.partition('-')[0]}"


def general_texts() -> list[str]:
    """Return paragraphs on all sorts of things, written for this project, that no course teaches."""
    text = files("edullama.dataset").joinpath("general.txt").read_text(encoding="utf-8")
    return [paragraph.strip() for paragraph in text.split("\n\n") if paragraph.strip()]
