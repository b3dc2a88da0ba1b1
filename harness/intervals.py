"""Shares and geometric means with their 95 % intervals, as boards show them.

Written out because scipy takes longer to import than a board to draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    if len(ratios) < 2:
        return None
    logs = list(map(math.log, ratios))
    centre = fmean(logs)
    # `statistics.stdev` is exact, and takes a second for what a large board holds.
    away = list(map(sub, logs, repeat(centre)))
    spread = math.sqrt(math.fsum(map(mul, away, away)) / (len(logs) - 1))
    if spread == 0:
        return None
    half = t_quantile(len(logs) - 1) * spread / math.sqrt(len(logs))
    return Interval(estimate=math.exp(centre), low=math.exp(centre - half), high=math.exp(min(centre + half, 700)))


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
