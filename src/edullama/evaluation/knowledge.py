"""Whether a model knows which answer belongs to which question, beyond how answers sound.

A lower loss of references can be style alone: short answers of any course become likelier. Here each reference stands
against the most similar references of other questions (its *rivals*), so that style is the same on both sides.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

from edullama.records import Card, CrossLoss, Embed

RIVALS = 3
Rivals = Mapping[str, tuple[str, ...]]  # by card: those whose references are most like its own


def choose_rivals(cards: Sequence[Card], embed: Embed) -> dict[str, tuple[str, ...]]:
    """Return each card's most similar others by the embedding of references, nearest first.

    They come from its own lecture; where that has too few, from the whole course.
    """
    if len(cards) <= RIVALS:
        return {}
    vectors = embed([card.reference for card in cards])
    cosines = vectors @ vectors.T
    rivals = {}
    for row, card in enumerate(cards):
        others = [place for place, other in enumerate(cards) if other.reference != card.reference]
        near = [place for place in others if cards[place].lecture == card.lecture]
        pool = near if len(near) >= RIVALS else others
        best = sorted(pool, key=lambda place: (-float(cosines[row, place]), cards[place].id))[:RIVALS]
        rivals[card.id] = tuple(cards[place].id for place in best)
    return rivals


def pairs_to_read(rivals: Rivals) -> list[tuple[str, str]]:
    """Return every (question, reference) that the two figures need; question "" is the prompt that asks nothing."""
    pairs = [("", own) for own in rivals]
    for own, others in rivals.items():
        pairs += [(own, own), *((own, other) for other in others), *((other, own) for other in others)]
        pairs += [("", other) for other in others]
    return list(dict.fromkeys(pairs))


def by_pair(losses: Iterable[CrossLoss]) -> dict[tuple[str, str], CrossLoss]:
    """Return the losses of one model by question and reference."""
    return {(loss.question_id, loss.reference_id): loss for loss in losses}


def identified(losses: Mapping[tuple[str, str], CrossLoss], rivals: Rivals) -> dict[str, float]:
    """Return by question 1.0 where its own reference gains most by being asked for, else 0.0.

    What is compared is log p(reference | question) − log p(reference | nothing asked), in nats: the pointwise mutual
    information, which a reference that is likely anywhere does not have.
    """
    return {
        own: float(all(_information(losses, own, own) > _information(losses, own, other) for other in others))
        for own, others in rivals.items()
    }


def question_information(losses: Mapping[tuple[str, str], CrossLoss], rivals: Rivals) -> dict[str, float]:
    """Return by question how much likelier its reference is after it than after its rivals', in nats per token."""
    return {
        own: mean(losses[other, own].nats for other in others) - losses[own, own].nats for own, others in rivals.items()
    }


def _information(losses: Mapping[tuple[str, str], CrossLoss], question: str, reference: str) -> float:
    alone, asked = losses["", reference], losses[question, reference]
    return (alone.nats - asked.nats) * asked.tokens


def match_by_length(own: Mapping[str, int], control: Mapping[str, int]) -> list[str]:
    """Return for each own card, longest reference first, the unused control card nearest in tokens.

    With fewer controls than own cards, the remaining own cards go without.
    """
    free = dict(control)
    matched = []
    for _, tokens in sorted(own.items(), key=lambda item: (-item[1], item[0])):
        if not free:
            break
        best = min(free, key=lambda card: (abs(free[card] - tokens), card))
        matched.append(best)
        free.pop(best)
    return matched
