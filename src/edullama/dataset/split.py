"""Which cards examine the models and which only lend their questions."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from edullama.dataset.words import normalise
from edullama.records import Card, NearPair, Rejection


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


def drop_near_exam_files(cards: Sequence[Card], near: Iterable[NearPair]) -> tuple[list[Card], list[Rejection]]:
    """Drop cards that nearly repeat a card of an exam file: the file is the exam, and none of it may be distilled from.

    A card that is near to a dropped one alone stays: what it might have given away is gone.
    """
    return drop_near(cards, [card for card in cards if is_exam_file(card.source)], near)


def drop_near(
    cards: Sequence[Card], exam: Sequence[Card], near: Iterable[NearPair]
) -> tuple[list[Card], list[Rejection]]:
    """Drop cards that nearly repeat one of an exam; its own cards stay."""
    by_id, examining = ({card.id: card for card in deck} for deck in (cards, exam))
    known: dict[str, Card] = {}
    for one, other in sorted({ends for pair in near for ends in ((pair.one, pair.other), (pair.other, pair.one))}):
        if other in examining and one not in examining:
            known.setdefault(one, examining[other])
    kept = [card for card in cards if card.id not in known]
    return kept, [_reject_near(by_id[one], twin) for one, twin in sorted(known.items())]


def _reject_near(card: Card, exam: Card) -> Rejection:
    reason = f"nearly the same as in {exam.source}: {exam.question!r} ({card.source})"
    return Rejection(card.id, reason, card.question)


def split_cards(
    cards: Sequence[Card], exam_share: float, near: Iterable[NearPair] = ()
) -> tuple[list[Card], list[Card]]:
    """Return exam and catalogue; near cards go to the same side.

    A card's side depends on its question alone, so that new cards move none; that of a group of near cards on the
    smallest draw among them. A new card in a group can therefore take it into the exam, but never a card out of it.
    """
    draws = _draw_together({card.id: _draw(card.question) for card in cards}, near)
    sides: tuple[list[Card], list[Card]] = ([], [])
    for card in cards:
        examines = is_exam_file(card.source) or draws[card.id] < exam_share
        sides[0 if examines else 1].append(card)
    return sides


def _draw_together(draws: Mapping[str, float], near: Iterable[NearPair]) -> dict[str, float]:
    """Return for each card the smallest draw of all cards that it is tied to by pairs, however long the way."""
    leaders = {id: id for id in draws}

    def lead(id: str) -> str:
        while leaders[id] != id:
            leaders[id] = id = leaders[leaders[id]]
        return id

    for pair in near:
        if pair.one in leaders and pair.other in leaders:  # else one of them was dropped
            first, last = sorted((lead(pair.one), lead(pair.other)), key=lambda id: draws[id])
            leaders[last] = first
    return {id: draws[lead(id)] for id in draws}


def _draw(question: str) -> float:
    """Return a number in [0, 1) that looks random and never changes."""
    return int.from_bytes(hashlib.sha256(normalise(question).encode()).digest()) / 2**256
