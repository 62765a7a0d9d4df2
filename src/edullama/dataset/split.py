"""Which cards examine the models and which only lend their questions."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from edullama.records import Card, Rejection

NOT_WORDS = re.compile(r"[\W_]+")


def normalise(question: str) -> str:
    """Return a question without case, punctuation and width of spaces, so that near-equal ones count as one."""
    return NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", question).casefold()).strip()


def is_exam_file(source: str) -> bool:
    """Tell whether a card file is an exam as a whole, by its name."""
    return source.rsplit("/", 1)[-1].casefold().startswith("exam")


def drop_doubles(cards: Iterable[Card]) -> tuple[list[Card], list[Rejection]]:
    """Keep each question once: from an exam file where there is one, else from the first file by name."""
    kept: dict[str, Card] = {}
    dropped = []
    for card in sorted(cards, key=lambda card: (not is_exam_file(card.source), card.source)):
        first = kept.setdefault(normalise(card.question), card)
        if first is not card:
            dropped.append(Rejection(card.id, f"same question as in {first.source} ({card.source})", card.question))
    return list(kept.values()), dropped


def drop_known(cards: Iterable[Card], others: Iterable[Card]) -> tuple[list[Card], list[Rejection]]:
    """Keep the cards whose question none of the others asks."""
    known = {normalise(other.question): other.source for other in others}
    kept, dropped = [], []
    for card in cards:
        source = known.get(normalise(card.question))
        if source is None:
            kept.append(card)
        else:
            dropped.append(Rejection(card.id, f"same question as in {source} ({card.source})", card.question))
    return kept, dropped


def split_cards(cards: Iterable[Card], exam_share: float) -> tuple[list[Card], list[Card]]:
    """Return exam and catalogue. A card's side depends on its question alone, so new cards move none."""
    sides: tuple[list[Card], list[Card]] = ([], [])
    for card in cards:
        examines = is_exam_file(card.source) or _draw(card.question) < exam_share
        sides[0 if examines else 1].append(card)
    return sides


def _draw(question: str) -> float:
    """Return a number in [0, 1) that looks random and never changes."""
    return int.from_bytes(hashlib.sha256(normalise(question).encode()).digest()) / 2**256
