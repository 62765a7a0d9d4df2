"""Figures that style cannot lift: which of several alike references a question picks out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edullama.evaluation.knowledge import (
    by_pair,
    choose_rivals,
    identified,
    match_by_length,
    pairs_to_read,
    question_information,
)
from edullama.records import Card, CrossLoss

# Five references on a quarter circle, by their angle in degrees; "far" is of another lecture.
ANGLES = {"a": 0, "b": 10, "c": 25, "d": 60, "far": 5}
CARDS = [Card(name, "other" if name == "far" else "own", f"{name}?", name, "cards.tsv") for name in ANGLES]


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    angles = np.radians([ANGLES[text] for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def losses(nats: dict[tuple[str, str], float], tokens: int = 10) -> dict[tuple[str, str], CrossLoss]:
    return by_pair(CrossLoss(one, other, "teacher", value, tokens) for (one, other), value in nats.items())


def test_rivals_are_the_most_similar_references_of_the_same_lecture_nearest_first() -> None:
    assert choose_rivals(CARDS, embed)["a"] == ("b", "c", "d")


def test_a_lecture_with_too_few_questions_takes_rivals_from_the_course() -> None:
    assert choose_rivals(CARDS, embed)["far"] == ("a", "b", "c")


def test_an_answer_that_two_cards_share_is_no_rival_to_itself() -> None:
    twin = Card("twin", "own", "And b?", "b", "cards.tsv")
    assert "twin" not in choose_rivals([*CARDS, twin], embed)["b"]


def test_three_cards_have_no_three_rivals() -> None:
    assert choose_rivals(CARDS[:3], embed) == {}


def test_both_figures_find_every_loss_they_need() -> None:
    rivals = choose_rivals(CARDS, embed)
    read = losses(dict.fromkeys(pairs_to_read(rivals), 1.0))
    assert set(identified(read, rivals)) == set(question_information(read, rivals)) == set(ANGLES)


def test_a_reference_that_is_likely_anywhere_is_not_what_was_asked_for() -> None:
    rivals = {"a": ("b", "c", "d")}
    alone = {("", "a"): 3.0, ("", "b"): 1.0, ("", "c"): 3.0, ("", "d"): 3.0}
    asked = {("a", "a"): 2.0, ("a", "b"): 0.9, ("a", "c"): 2.9, ("a", "d"): 3.1}
    assert identified(losses(alone | asked), rivals) == {"a": 1.0}  # a gains 10 nats by the question, b but one
    assert identified(losses(alone | asked | {("a", "d"): 1.9}), rivals) == {"a": 0.0}


def test_rivals_of_equal_gain_are_not_told_apart() -> None:
    rivals = {"a": ("b", "c", "d")}
    same = {("", name): 2.0 for name in "abcd"} | {("a", name): 1.5 for name in "abcd"}
    assert identified(losses(same), rivals) == {"a": 0.0}


def test_question_information_is_the_loss_under_rivals_questions_less_that_under_its_own() -> None:
    rivals = {"a": ("b", "c", "d")}
    read = losses({("a", "a"): 2.0, ("b", "a"): 2.3, ("c", "a"): 2.6, ("d", "a"): 3.2})
    assert question_information(read, rivals) == {"a": 2.7 - 2.0}


def test_controls_are_matched_to_the_exam_by_length() -> None:
    control = {"x": 41, "y": 9, "z": 22, "w": 100}
    assert match_by_length({"a": 20, "b": 40, "c": 12}, control) == ["x", "z", "y"]
    assert match_by_length({"a": 20, "b": 40}, {"x": 90}) == ["x"]
