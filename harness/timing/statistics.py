"""From session values to an estimate with its interval. Pure Python: a few hundred numbers at most.

The unit is the session (a fresh pair of processes): samples inside one process share its memory layout and are
not independent (Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", ISMM 2013). Inside a session the
median over pairs resists the machine's hiccups; over sessions the Hodges-Lehmann estimate is nearly as efficient
as the mean on clean data and far better on data with outliers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist, median

from harness.verdict import Interval

_EXACT_UP_TO = 100


@dataclass(frozen=True)
class Estimate:
    """A location with its interval, in the unit of the values (here: log ratios of times).

    Attributes:
        estimate: the Hodges-Lehmann estimate.
        low: lower end.
        high: upper end.
        level: the interval's true confidence level; less than asked for when there are too few values.
    """

    estimate: float
    low: float
    high: float
    level: float

    def widened(self, by: float) -> Estimate:
        """The same with both ends further out: each value may be off by so much, and all of them to the same side."""
        return replace(self, low=self.low - by, high=self.high + by)

    def as_ratio(self) -> Interval:
        """The same for the ratio whose logarithm this is."""
        # Student's interval of few and wild values may end beyond any float.
        return Interval(estimate=math.exp(self.estimate), low=math.exp(self.low), high=math.exp(min(self.high, 700.0)))


def session_value(base_us: Sequence[float], candidate_us: Sequence[float]) -> float:
    """The median over a session's pairs of log(base / candidate)."""
    return median(math.log(base / candidate) for base, candidate in zip(base_us, candidate_us, strict=True))


def hodges_lehmann(values: Sequence[float], alpha: float) -> Estimate:
    """The median of the Walsh averages, with the interval that inverts the Wilcoxon signed-rank test.

    The Walsh averages are (x_i + x_j) / 2 for i <= j, n (n + 1) / 2 of them. With c the largest number for
    which P(W <= c) <= alpha / 2 under symmetry, the interval runs from the (c+1)-th smallest to the (c+1)-th
    largest of them, and covers the centre with probability 1 - 2 P(W <= c) >= 1 - alpha, whatever the
    distribution, as long as it is continuous and symmetric about its centre (Hodges and Lehmann 1963; Hollander,
    Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed. 2014, sections 3.2 and 3.3). A log ratio of two
    arms in random order is symmetric about 0 when the arms do not differ.

    With fewer values than `alpha` needs (5 or fewer for 0.05) the interval is the widest there is, from the
    smallest to the largest value, and `level` says how little it covers: 1 - 2 ** (1 - n).

    Raises:
        ValueError: there are no values, or alpha is not inside (0, 1).
    """
    if not values:
        raise ValueError("no session values: nothing to estimate from")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1 (found {alpha})")
    count = len(values)
    walsh = sorted((values[i] + values[j]) / 2 for i in range(count) for j in range(i, count))
    cut = critical_value(count, alpha)
    reached = max(cut, 0)
    return Estimate(
        estimate=median(walsh),
        low=walsh[reached],
        high=walsh[-1 - reached],
        level=1 - 2 * signed_rank_cdf(count, reached),
    )


def critical_value(count: int, alpha: float) -> int:
    """The largest c with P(W <= c) <= alpha / 2 for `count` values; -1 when even c = 0 is too likely."""
    if count > _EXACT_UP_TO:
        mean, deviation = _normal_moments(count)
        return math.floor(mean + NormalDist().inv_cdf(alpha / 2) * deviation - 0.5)
    counts, total, at_most = _subset_sums(count), 2**count, 0
    for statistic, ways in enumerate(counts):
        at_most += ways
        if at_most / total > alpha / 2:
            return statistic - 1
    return len(counts) - 1


def signed_rank_cdf(count: int, statistic: int) -> float:
    """P(W <= statistic) for Wilcoxon's signed-rank W, the sum of the positive ranks, under symmetry about 0.

    Exact up to 100 values, by counting the subsets of 1..n with each sum; beyond, the normal approximation with
    mean n (n + 1) / 4, variance n (n + 1) (2n + 1) / 24 and continuity correction (Wilcoxon 1945).
    """
    if count > _EXACT_UP_TO:
        mean, deviation = _normal_moments(count)
        return NormalDist().cdf((statistic + 0.5 - mean) / deviation)
    return float(sum(_subset_sums(count)[: statistic + 1]) / 2**count)


def _normal_moments(count: int) -> tuple[float, float]:
    return count * (count + 1) / 4, math.sqrt(count * (count + 1) * (2 * count + 1) / 24)


@lru_cache
def _subset_sums(count: int) -> tuple[int, ...]:
    """How many subsets of {1, ..., count} have each sum 0 .. count (count + 1) / 2."""
    ways = [1]
    for rank in range(1, count + 1):
        shifted = [0] * rank + ways
        ways = [a + b for a, b in zip(ways + [0] * rank, shifted, strict=True)]
    return tuple(ways)
