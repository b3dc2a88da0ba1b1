"""Shares and geometric means with their 95 % intervals, as boards show them.

Written out because scipy takes longer to import than a board to draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from operator import mul, sub
from statistics import NormalDist, fmean

from harness.verdict import Interval, Record

CONFIDENCE = 0.95


class Rate(Record):
    """A share of attempts, between 0 and 1, with its 95 % interval."""

    estimate: float
    low: float
    high: float


def wilson(successes: int, trials: int) -> Rate:
    """Wilson's 95 % score interval for a proportion (E. B. Wilson, JASA 22, 1927). `trials` is at least 1."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Rate(estimate=share, low=low, high=high)


def geometric_mean(ratios: Sequence[float]) -> float | None:
    """The geometric mean of positive ratios; None of none."""
    return math.exp(fmean(list(map(math.log, ratios)))) if ratios else None


def geometric_interval(ratios: Sequence[float]) -> Interval | None:
    """The geometric mean with Student's 95 % interval over the ratios' logarithms.

    None for fewer than two ratios, and where all are equal: no spread seen is no evidence of none.
    """
    found = log_moments(ratios) if len(ratios) > 1 else None
    return None if found is None or found.squares == 0 else _as_ratio(found.mean, *found.ends())


def attempts_interval(ratios: Sequence[float]) -> Interval | None:
    """The geometric mean over attempts, failures as 1.0, with a 95 % interval that holds for few of them, too.

    Attempts are of two kinds: those that fail count as 1.0 and the others are far above. Three that all won say little
    of how many fail, and Student's interval over them nothing: of an agent that wins four times in five by the same 2x,
    half of such intervals miss the truth. So one failure and one more of the best are put beside what was seen, as
    Agresti and Coull (The American Statistician 52, 1998) do for a share, and what is given holds both intervals, that
    of all these and Student's own. `tests/harness/test_few_attempts.py` simulates the coverage.

    None for fewer than two ratios, and where all are 1.0.
    """
    if len(ratios) < 2:
        return None
    seen = log_moments(ratios)
    fuller = seen.beside(kinds(ratios))
    if fuller.squares == 0:
        return None
    ends = [fuller.ends()] + ([seen.ends()] if seen.squares > 0 else [])
    return _as_ratio(seen.mean, min(low for low, _ in ends), max(high for _, high in ends))


def kinds(*groups: Sequence[float]) -> tuple[float, float]:
    """The logarithms of the least and the most that an attempt may come to, as far as was seen; a failure is 1.0."""
    ratios = [1.0, *(end(group) for group in groups for end in (min, max))]
    return math.log(min(ratios)), math.log(max(ratios))


@dataclass(frozen=True)
class Moments:
    """How many numbers there are, their mean, and the sum of their squared distances from it."""

    count: int
    mean: float
    squares: float

    @property
    def error(self) -> float:
        """The mean's variance."""
        return self.squares / (self.count - 1) / self.count

    def beside(self, others: Sequence[float]) -> Moments:
        """With these numbers added."""
        count = self.count + len(others)
        mean = (self.count * self.mean + math.fsum(others)) / count
        away = math.fsum((other - mean) ** 2 for other in others)
        return Moments(count, mean, self.squares + self.count * (self.mean - mean) ** 2 + away)

    def ends(self) -> tuple[float, float]:
        """Student's 95 % interval of the mean."""
        half = t_quantile(self.count - 1) * math.sqrt(self.error)
        return self.mean - half, self.mean + half


def log_moments(ratios: Sequence[float]) -> Moments:
    """Of the logarithms of at least one ratio."""
    logs = list(map(math.log, ratios))
    centre = fmean(logs)
    # `statistics.stdev` is exact, and takes a second for what a large board holds.
    away = list(map(sub, logs, repeat(centre)))
    return Moments(len(logs), centre, math.fsum(map(mul, away, away)))


def _as_ratio(mean: float, low: float, high: float) -> Interval:
    return Interval(estimate=math.exp(mean), low=math.exp(low), high=math.exp(min(high, 700)))


@lru_cache(maxsize=1024)
def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with `freedom` >= 1 degrees of freedom.

    Bisection on the exact series of Abramowitz and Stegun 26.7.3-4; above 200 degrees their expansion
    26.7.5, where it is good to 1e-7. Written out because scipy takes longer to import than a board to draw.
    """
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    if freedom > 200:
        return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    low, high = 0.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, freedom) < CONFIDENCE else (low, middle)
    return (low + high) / 2


def _t_within(t: float, freedom: int) -> float:
    """P(-t < T < t) for Student's T."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2 == 1
    term, total = (cosine, cosine) if odd else (1.0, 1.0)
    for step in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine * cosine * (step - 1) / step
        total += term
    if not odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))
