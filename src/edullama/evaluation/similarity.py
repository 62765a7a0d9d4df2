"""How close an answer comes to the reference in the space of an embedding model."""

from collections.abc import Sequence

from edullama.records import Answer, Card, Embed, Similarity


def similarities(answers: Sequence[Answer], cards: Sequence[Card], embed: Embed) -> list[Similarity]:
    """Return the cosine of every answer to its card's reference, in the order of the answers.

    An empty answer is an answer, and worth 0. A card without a reference cannot be compared with, so that answers to
    it are left out and later count as missing.
    """
    references = {card.id: card.reference for card in cards if card.reference.strip()}
    measured = [answer for answer in answers if answer.question_id in references]
    written = [answer for answer in measured if answer.text.strip()]
    cosines = _cosines([answer.text for answer in written], [references[a.question_id] for a in written], embed)
    by_answer = {(a.question_id, a.model): cosine for a, cosine in zip(written, cosines, strict=True)}
    return [Similarity(a.question_id, a.model, by_answer.get((a.question_id, a.model), 0.0)) for a in measured]


def _cosines(texts: Sequence[str], others: Sequence[str], embed: Embed) -> list[float]:
    """Return the cosine of each text to the other beside it, embedding every distinct text once."""
    distinct = list(dict.fromkeys([*texts, *others]))
    if not distinct:
        return []
    vectors = dict(zip(distinct, embed(distinct), strict=True))
    return [float(vectors[text] @ vectors[other]) for text, other in zip(texts, others, strict=True)]
