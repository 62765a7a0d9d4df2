"""Figures with 95 % intervals, and an exact test. What is resampled is the question, never an answer or a verdict."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edullama.records import Estimate

Statistic = Literal["mean", "median"]
Values = NDArray[np.float64]
Scores = Mapping[str, float]  # question id -> value

DRAWS = 10_000
TAILS = (2.5, 97.5)  # percent: the ends of a 95 % interval
Z = 1.959963984540054  # the normal distribution's 97.5 % point
CHUNK = 2_000_000  # values resampled at a time: 16 MB


def level(name: str, values: Scores, missing: int = 0, statistic: Statistic = "mean") -> Estimate:
    """Estimate the mean (or median) of one value a question; values that are not finite count as missing."""
    known = _finite(values)
    return _estimate(name, _array(known), missing + len(values) - len(known), statistic)


def paired_difference(
    name: str, ours: Scores, theirs: Scores, missing: int = 0, statistic: Statistic = "mean"
) -> Estimate:
    """Estimate the mean (or median) of ours − theirs over the questions that both have.

    The interval is the percentile interval of a bootstrap over questions. A question that only one side has counts as
    missing; `missing` adds those that neither has.
    """
    gaps, alone = _pair(ours, theirs)
    return _estimate(name, gaps, missing + alone, statistic)


def difference_of_gains(
    name: str, own_ours: Scores, own_theirs: Scores, control_ours: Scores, control_theirs: Scores, missing: int = 0
) -> Estimate:
    """Estimate (mean of ours − theirs on own questions) − (the same on control questions).

    The two groups of questions are resampled independently of each other; n counts both.
    """
    own, own_alone = _pair(own_ours, own_theirs)
    control, control_alone = _pair(control_ours, control_theirs)
    n, lost = len(own) + len(control), missing + own_alone + control_alone
    if not len(own) or not len(control):
        return Estimate(name, None, None, None, 0, lost + n)
    mean = float(own.mean() - control.mean())
    if min(len(own), len(control)) == 1:
        return Estimate(name, mean, None, None, n, lost)
    low, high = np.percentile(_resample(own, "mean", seed=0) - _resample(control, "mean", seed=1), TAILS)
    return Estimate(name, mean, float(low), float(high), n, lost)


def share(name: str, hits: float, n: int, missing: int = 0) -> Estimate:
    """Estimate a share with Wilson's interval, which stays honest where every question or none is a hit."""
    if n == 0:
        return Estimate(name, None, None, None, 0, missing)
    low, high = wilson(hits, n)
    return Estimate(name, hits / n, low, high, n, missing)


def win_share(name: str, ours: Scores, theirs: Scores, tie_band: float = 0.0, missing: int = 0) -> Estimate:
    """Estimate the share of shared questions where ours is higher; gaps up to `tie_band` count half.

    Half wins vary less than whole ones, so that Wilson's interval is on the wide side when there are ties.
    """
    gaps, alone = _pair(ours, theirs)
    wins, ties = int((gaps > tie_band).sum()), int((np.abs(gaps) <= tie_band).sum())
    return share(name, wins + ties / 2, len(gaps), missing + alone)


def sign_test(wins: int, losses: int) -> float:
    """Return the exact two-sided p of a split at least this uneven if each side won with probability one half."""
    n = wins + losses
    tail = sum(math.comb(n, k) for k in range(max(wins, losses), n + 1))
    return min(1.0, float(2 * tail / 2**n))


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    p, z2 = hits / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _estimate(name: str, values: Values, missing: int, statistic: Statistic) -> Estimate:
    if not len(values):
        return Estimate(name, None, None, None, 0, missing)
    centre = float(_reduce(values[np.newaxis], statistic)[0])
    if len(values) == 1:
        return Estimate(name, centre, None, None, 1, missing)
    low, high = np.percentile(_resample(values, statistic, seed=0), TAILS)
    return Estimate(name, centre, float(low), float(high), len(values), missing)


def _resample(values: Values, statistic: Statistic, seed: int) -> Values:
    """Return the statistic of DRAWS samples with replacement, (DRAWS,)."""
    generator, n = np.random.default_rng(seed), len(values)
    rows = max(1, CHUNK // n)
    sizes = [min(rows, DRAWS - start) for start in range(0, DRAWS, rows)]
    return np.concatenate([_reduce(values[generator.integers(n, size=(size, n))], statistic) for size in sizes])


def _reduce(samples: Values, statistic: Statistic) -> Values:
    """(samples, values) -> (samples,)."""
    reduced: Values = samples.mean(axis=1) if statistic == "mean" else np.median(samples, axis=1)
    return reduced


def _pair(ours: Scores, theirs: Scores) -> tuple[Values, int]:
    """Return ours − theirs over shared questions, sorted by id, and how many questions only one side has."""
    known_ours, known_theirs = _finite(ours), _finite(theirs)
    shared = known_ours.keys() & known_theirs.keys()
    gaps = {question: known_ours[question] - known_theirs[question] for question in shared}
    return _array(gaps), len(ours.keys() | theirs.keys()) - len(shared)


def _finite(values: Scores) -> dict[str, float]:
    return {question: value for question, value in values.items() if math.isfinite(value)}


def _array(values: Scores) -> Values:
    """Return the values sorted by id, so that the order of records never changes a figure."""
    return np.array([values[question] for question in sorted(values)], dtype=np.float64)
