from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edullama.evaluation.similarity import similarities
from edullama.records import Answer, Card, Similarity

WORDS = ("gradient", "descent", "brie")


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """A whole embedding model: how often each of three words occurs, scaled to unit length."""
    counts = np.array([[text.split().count(word) for word in WORDS] for text in texts], dtype=np.float32)
    lengths = np.maximum(1e-9, np.linalg.norm(counts, axis=1, keepdims=True))
    vectors: NDArray[np.float32] = (counts / lengths).astype(np.float32)
    return vectors


def card(reference: str) -> Card:
    return Card("q", "lecture", "How?", reference, "cards.tsv")


def answer(text: str, model: str = "base") -> Answer:
    return Answer("q", model, text, (), "stop")


def test_cosine_compares_each_answer_with_its_own_reference() -> None:
    found = similarities(
        [answer("gradient descent"), answer("gradient", "teacher"), answer("brie", "student")],
        [card("gradient descent")],
        embed,
    )
    assert [round(similarity.cosine, 4) for similarity in found] == [1.0, 0.7071, 0.0]
    assert [similarity.model for similarity in found] == ["base", "teacher", "student"]


def test_an_empty_answer_is_worth_nothing_but_counts() -> None:
    assert similarities([answer("  \n")], [card("gradient")], embed) == [Similarity("q", "base", 0.0)]


def test_a_card_without_a_reference_measures_nothing() -> None:
    assert similarities([answer("gradient")], [card("")], embed) == []
