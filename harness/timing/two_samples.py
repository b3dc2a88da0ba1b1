"""The difference between two independent sets of session values, with its interval: Hodges and Lehmann's shift.

The counterpart of `statistics.hodges_lehmann` for two samples: the estimate is the median of all differences between a
value of one and a value of the other, the interval inverts the Wilcoxon-Mann-Whitney rank-sum test (Hollander, Wolfe
and Chicken, Nonparametric Statistical Methods, 3rd ed. 2014, sections 4.2 and 4.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, median

from harness.timing.statistics import Estimate

_EXACT_UP_TO = 64


def shift(first: Sequence[float], second: Sequence[float], alpha: float) -> Estimate:
    """How far `second` lies above `first`.

    With c the largest number for which P(U <= c) <= alpha / 2 where nothing differs, the interval runs from the
    (c+1)-th smallest to the (c+1)-th largest of the differences, and covers the shift with probability
    1 - 2 P(U <= c) >= 1 - alpha, if the two distributions have the same shape and are continuous. With too few values
    for `alpha` it is the widest there is, and `level` says how little it covers.

    Raises:
        ValueError: a sample is empty, or alpha is not inside (0, 1).
    """
    if not first or not second:
        raise ValueError("no session values: nothing to compare")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1 (found {alpha})")
    differences = sorted(b - a for a in first for b in second)
    cut = max(_critical_value(len(first), len(second), alpha), 0)
    return Estimate(
        estimate=median(differences),
        low=differences[cut],
        high=differences[-1 - cut],
        level=1 - 2 * rank_sum_cdf(len(first), len(second), cut),
    )


def rank_sum_cdf(first: int, second: int, statistic: int) -> float:
    """P(U <= statistic) for Mann and Whitney's U of two samples of these sizes, where nothing differs.

    Exact up to 64 values each, by counting; beyond, the normal approximation with mean mn / 2, variance
    mn (m + n + 1) / 12 and continuity correction (Mann and Whitney 1947).
    """
    if max(first, second) > _EXACT_UP_TO:
        mean, deviation = _normal_moments(first, second)
        return NormalDist().cdf((statistic + 0.5 - mean) / deviation)
    return float(sum(_orderings(first, second)[: statistic + 1]) / math.comb(first + second, first))


def _critical_value(first: int, second: int, alpha: float) -> int:
    """The largest c with P(U <= c) <= alpha / 2; -1 when even c = 0 is too likely."""
    if max(first, second) > _EXACT_UP_TO:
        mean, deviation = _normal_moments(first, second)
        return math.floor(mean + NormalDist().inv_cdf(alpha / 2) * deviation - 0.5)
    total, at_most = math.comb(first + second, first), 0
    for statistic, ways in enumerate(_orderings(first, second)):
        at_most += ways
        if at_most / total > alpha / 2:
            return statistic - 1
    return first * second


def _normal_moments(first: int, second: int) -> tuple[float, float]:
    return first * second / 2, math.sqrt(first * second * (first + second + 1) / 12)


@lru_cache
def _orderings(first: int, second: int) -> tuple[int, ...]:
    """How many orderings of the pooled values give each U from 0 to first * second.

    The coefficients of the Gaussian binomial, multiplied out: (1 - q^(n+i)) / (1 - q^i) over i = 1 .. m.
    """
    ways = [1] + [0] * (first * second)
    for i in range(1, first + 1):
        for at in range(len(ways) - 1, second + i - 1, -1):
            ways[at] -= ways[at - second - i]
        for at in range(i, len(ways)):
            ways[at] += ways[at - i]
    return tuple(ways)
