"""The numbers that tell sentences from word salad."""

import pytest

from edullama.health import answers_health, dictionary_share, distinct_share, repetition
from edullama.records import Answer

SOUND = "A window is four consecutive entries of one lecture."
STUCK = "the model is the model is the model is the model"
SALAD = "Zorvex plimth quarn the brelf of snarv."


def test_an_answer_that_goes_in_circles_repeats_itself() -> None:
    assert repetition(SOUND) == 0.0
    assert repetition(STUCK) == pytest.approx(1 - 3 / 8)  # 8 four-grams, 3 different ones
    assert repetition("too short") == 0.0


def test_words_are_looked_up_in_english_german_and_the_course() -> None:
    assert dictionary_share(SOUND) == 1.0
    assert dictionary_share("Die Gewichte werden größer.") == 1.0
    assert dictionary_share(SALAD) == pytest.approx(2 / 7)
    assert dictionary_share(SALAD, {"zorvex", "plimth"}) == pytest.approx(4 / 7)
    assert dictionary_share("It doesn’t stop.") == 1.0
    assert dictionary_share("42 %") == 0.0


def test_answers_that_are_all_alike_are_not_distinct() -> None:
    assert distinct_share([SOUND, SOUND]) == 0.5
    assert distinct_share([SOUND, "Every student answers each question only once."]) == 1.0
    assert distinct_share(["", "short"]) == 0.0


def test_the_health_of_answers_is_a_mean_over_them() -> None:
    sound, stuck = Answer("a", "student", SOUND, (1, 2), "stop"), Answer("b", "student", STUCK, (1, 2), "length")
    health = answers_health([sound, stuck])
    assert health == {
        "words": 10.0,
        "repetition": pytest.approx(5 / 16),
        "dictionary": 1.0,
        "distinct": pytest.approx(9 / 14),
        "stopped": 0.5,
    }
    with pytest.raises(ValueError, match="no answer"):
        answers_health([])
