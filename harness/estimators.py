"""What k attempts are worth: pass@k, best@k and fast_p, with 95 % intervals.

- **pass@k**: the probability that at least one of k attempts is faster. The unbiased estimate 1 - C(n-c, k) / C(n, k)
  from c wins in n attempts (Chen et al., "Evaluating Large Language Models Trained on Code", 2021). Its interval is
  Wilson's for the rate p, sent through 1 - (1 - p)^k, which grows with p; widened to hold the estimate.
- **best@k**: the geometric mean of the best speedup of k attempts, over all choices of k from the n. The logarithm is
  a U-statistic; its interval is Student's t with the jackknife's standard error (Efron, 1982, chapter 3).
- **fast_p**: the share of attempts that are faster by more than the factor p (KernelBench, Ouyang et al., 2025), with
  Wilson's interval.

All three suppose that attempts are independent draws. k goes up to half the number of attempts: beyond that nearly
every choice of k holds the same few attempts, and an interval would be a guess.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, islice
from operator import mul, sub, truediv

from harness.intervals import Rate, t_quantile, wilson
from harness.verdict import Interval, Record

THRESHOLDS = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
# exp(-40) is less than a float's last digit.
_UNFELT = 40.0
_KS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class FastP(Record):
    """The share of attempts that are faster by more than `factor`."""

    factor: float
    rate: Rate


class AtK(Record):
    """What k attempts come to.

    Attributes:
        k: how many.
        passed: pass@k.
        best: best@k; None where no interval can be had, as from attempts that all counted the same.
        best_estimate: the estimate of best@k, interval or not.
    """

    k: int
    passed: Rate
    best_estimate: float
    best: Interval | None


def fast_p(speedups: Sequence[float | None]) -> list[FastP]:
    """The curve at `THRESHOLDS`.

    Args:
        speedups: one value an attempt: its speedup where the verdict is `faster`, else None.
    """
    if not speedups:
        return []
    wins = sorted(value for value in speedups if value is not None)
    return [
        FastP(factor=factor, rate=wilson(len(wins) - bisect_right(wins, factor), len(speedups)))
        for factor in THRESHOLDS
    ]


def at_k(wins: int, counted: Sequence[float]) -> list[AtK]:
    """pass@k and best@k at powers of two, up to half of the attempts; at 1 always.

    Args:
        wins: how many attempts are faster.
        counted: what each attempt counts as, failures as 1.0; the base can always be kept, so less counts as 1.0.
    """
    total = len(counted)
    # Only what is above 0, from the top, and summed in C: boards hold a hundred thousand.
    falling = sorted(map(math.log, [value for value in counted if value > 1.0]), reverse=True)
    gaps = list(map(sub, falling, chain(falling[1:], (0.0,))))
    places = list(map(float, range(total - 1, max(0, total - len(falling) - _KS[-1]), -1)))
    found = []
    for k in _KS:
        if k > max(1, total // 2) or not total:
            break
        felt = falling[: _felt(total, k)]
        weights = list(_weights(places, k, total, len(felt)))
        estimate = sum(map(mul, weights, felt))
        error = _jackknife_error(felt, gaps, weights, total, k, estimate)
        found.append(
            AtK(
                k=k,
                passed=pass_at_k(wins, total, k),
                best_estimate=math.exp(estimate),
                best=None if error is None else _best_interval(estimate, error, total),
            )
        )
    return found


def pass_at_k(wins: int, total: int, k: int) -> Rate:
    """The probability that one of `k` attempts is faster, from `wins` of `total`; 1 <= k <= total."""
    missed = math.comb(total - wins, k) / math.comb(total, k)
    rate = wilson(wins, total)
    low, high = (1 - (1 - end) ** k for end in (rate.low, rate.high))
    return Rate(estimate=1 - missed, low=min(low, 1 - missed), high=max(high, 1 - missed))


def _felt(total: int, k: int) -> int:
    """How many values, from the top, are the largest of k often enough to be felt beside rounding errors."""
    # The d-th from the top weighs about (1 - d/n)^(k-1) of what the first weighs.
    return total if k == 1 else math.ceil(total * -math.expm1(-_UNFELT / (k - 1)))


def _weights(places: Sequence[float], k: int, total: int, most: int) -> Iterator[float]:
    """How often each of the values is the largest of k, from the largest value down; 0 for those that are missing.

    The i-th smallest (from 0) is the largest of C(i, k-1) choices. Their ratio to C(n, k) is taken step by step
    from the top, because the binomials themselves outgrow any float.

    Args:
        places: the i from n-1 down.
        k: of how many.
        total: n.
        most: for how many values it is wanted, beside the first.
    """
    ratios = map(truediv, islice(places, k - 1, None), islice(places, most))
    return accumulate(ratios, mul, initial=k / total)


def _jackknife_error(
    falling: Sequence[float], gaps: Sequence[float], weights: Sequence[float], total: int, k: int, centre: float
) -> float | None:
    """The jackknife's standard error of `centre`, in time that grows with the values and not with their square.

    Without the j-th value from the top, those above it keep their place and those below move up by one. So the mean
    without the largest is away from `centre` by k / (n - k) of (centre - largest), and each next one by the gap
    between the two, with the weight that the lower place has: n / (n - k) times `weights`, as n is less by one.
    All values beyond `falling` are 0, and one of them left out comes to the same as another.

    Args:
        falling: the values above 0, from the largest down.
        gaps: what each of them, and perhaps of more, is above the next.
        weights: `_weights` of all of `falling`, and of the value after.
        total: how many values there are, with those that are 0.
        k: of how many the best is taken.
        centre: the mean of the best of k.

    Returns:
        None where there is none: too few values, or all alike.
    """
    if k >= total or not falling:
        return None
    steps = map(mul, islice(weights, 1, None), gaps)
    first = (centre - falling[0]) * k / total
    away = list(accumulate(islice(steps, len(falling)), initial=first))
    alike = total - len(away)
    squares = sum(map(mul, away, away)) + alike * away[-1] ** 2
    error = total / (total - k) * math.sqrt((total - 1) / total * squares)
    return error if error >= 1e-12 else None


def _best_interval(centre: float, error: float, total: int) -> Interval:
    half = t_quantile(total - 1) * error
    low, high = math.exp(max(0.0, centre - half)), math.exp(min(centre + half, 700.0))
    return Interval(estimate=math.exp(centre), low=low, high=high)
