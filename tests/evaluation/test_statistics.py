"""Intervals and tests against values worked out by hand, by enumeration, or known from the literature."""

import itertools
import math

import numpy as np
import pytest

from edullama.evaluation.statistics import (
    difference_of_gains,
    level,
    paired_difference,
    share,
    sign_test,
    wilson,
    win_share,
)
from edullama.records import Estimate


def scores(*values: float, prefix: str = "q") -> dict[str, float]:
    return {f"{prefix}{place:04}": value for place, value in enumerate(values)}


def test_a_paired_difference_is_the_mean_of_differences_and_not_the_difference_of_medians() -> None:
    ours, theirs = scores(1.0, 2.0, 9.0), scores(2.0, 4.0, 6.0)
    assert paired_difference("d", ours, theirs).mean == pytest.approx((-1 - 2 + 3) / 3)
    assert paired_difference("d", ours, theirs, statistic="median").mean == -1


def test_the_interval_is_that_of_all_resamples() -> None:
    gaps = (0.1, 0.5, 0.6, 2.0)
    every = [sum(drawn) / 4 for drawn in itertools.product(gaps, repeat=4)]  # 256 equally likely resamples
    found = level("l", scores(*gaps))
    assert found.low == pytest.approx(np.percentile(every, 2.5), abs=0.03)
    assert found.high == pytest.approx(np.percentile(every, 97.5), abs=0.03)


def test_a_95_percent_interval_covers_the_true_mean_in_about_95_percent_of_exams() -> None:
    generator, truth, covered = np.random.default_rng(1), 0.3, 0
    for _ in range(400):
        found = level("l", scores(*generator.normal(truth, 1.0, size=60)))
        assert found.low is not None and found.high is not None
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / 400 <= 0.97


def test_questions_that_only_one_side_answered_are_missing_and_not_zero() -> None:
    found = paired_difference("d", {"a": 1.0, "b": 2.0, "c": 9.0}, {"a": 0.0, "b": 1.0, "d": 9.0}, missing=5)
    assert (found.mean, found.n, found.missing) == (1.0, 2, 7)


def test_values_that_are_not_finite_are_missing() -> None:
    assert paired_difference("d", scores(1.0, math.nan), scores(0.0, 0.0)) == Estimate("d", 1.0, None, None, 1, 1)
    assert level("l", scores(math.inf, 2.0, 2.0)) == Estimate("l", 2.0, 2.0, 2.0, 2, 1)


def test_nothing_measured_gives_no_figure_and_one_question_gives_no_interval() -> None:
    assert paired_difference("d", {}, {}, missing=3) == Estimate("d", None, None, None, 0, 3)
    assert paired_difference("d", {"a": 3.0}, {"a": 1.0}) == Estimate("d", 2.0, None, None, 1, 0)


def test_the_order_of_records_changes_nothing() -> None:
    values = np.random.default_rng(2).normal(size=50)
    forwards = scores(*values)
    backwards = dict(reversed(forwards.items()))
    assert level("l", forwards) == level("l", backwards)


def test_an_exam_larger_than_one_chunk_is_estimated_too() -> None:
    values = np.random.default_rng(3).normal(size=3000)
    found = level("l", scores(*values))
    assert found.low is not None and found.high is not None
    half = 1.96 * values.std() / math.sqrt(3000)  # the normal approximation is good at this size
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)


def test_knowledge_is_the_own_gain_less_the_gain_on_controls() -> None:
    base, teacher = scores(3.0, 3.0, 4.0), scores(2.0, 2.5, 2.5)  # gains 1, 0.5, 1.5
    control_base, control_teacher = scores(2.0, 5.0, prefix="c"), scores(1.9, 4.7, prefix="c")  # gains 0.1, 0.3
    found = difference_of_gains("k", base, teacher, control_base, control_teacher)
    assert found.mean == pytest.approx(0.8)
    assert (found.n, found.missing) == (5, 0)


def test_both_groups_widen_the_interval_of_a_difference_of_gains() -> None:
    generator = np.random.default_rng(4)
    own, control = generator.normal(1, 1, 200), generator.normal(0, 2, 100)
    found = difference_of_gains("k", scores(*own), scores(*[0.0] * 200), scores(*control), scores(*[0.0] * 100))
    assert found.low is not None and found.high is not None
    standard_error = math.sqrt(own.var() / 200 + control.var() / 100)
    assert found.high - found.low == pytest.approx(2 * 1.96 * standard_error, rel=0.05)


def test_without_controls_there_is_no_knowledge_figure() -> None:
    assert difference_of_gains("k", scores(1, 2), scores(0, 0), {}, {}) == Estimate("k", None, None, None, 0, 2)


def test_wilson_agrees_with_published_values() -> None:
    assert wilson(56, 100) == pytest.approx((0.462, 0.653), abs=5e-4)
    assert wilson(34, 100) == pytest.approx((0.255, 0.437), abs=5e-4)


def test_a_share_of_all_or_none_still_has_a_width() -> None:
    found = share("s", 0, 10)
    assert (found.mean, found.low) == (0, 0)
    assert found.high == pytest.approx(0.2775, abs=1e-4)  # z² / (n + z²)
    assert share("s", 0, 0, missing=4) == Estimate("s", None, None, None, 0, 4)


def test_a_gap_within_the_tie_band_is_half_a_win() -> None:
    found = win_share("w", scores(0.9, 0.5, 0.5, 0.1), scores(0.5, 0.498, 0.5, 0.5), tie_band=0.005)
    assert (found.mean, found.n) == (0.5, 4)  # a win, two ties, a defeat


def test_the_sign_test_is_exact() -> None:
    tosses = list(itertools.product((0, 1), repeat=9))
    as_uneven = sum(max(sum(toss), 9 - sum(toss)) >= 7 for toss in tosses)
    assert sign_test(7, 2) == sign_test(2, 7) == pytest.approx(as_uneven / len(tosses))
    assert sign_test(56, 44) == pytest.approx(0.2713, abs=1e-4)
    assert sign_test(0, 0) == sign_test(3, 3) == 1.0
