"""What k attempts are worth: pass@k, best@k and fast_p, with 95 % intervals.

- **pass@k**: the probability that at least one of k attempts is faster. The unbiased estimate 1 - C(n-c, k) / C(n, k)
  from c wins in n attempts (Chen et al., "Evaluating Large Language Models Trained on Code", 2021). Its interval is
  Wilson's for the rate p, sent through 1 - (1 - p)^k, which grows with p; widened to hold the estimate.
- **best@k**: the geometric mean of the best speedup of k attempts, over all choices of k from the n. The logarithm is
  a U-statistic; its interval is Student's t with the jackknife's standard error (Efron, 1982, chapter 3), or the same
  with one failure and one more of the best beside what was seen, where that is wider (`intervals.attempts_interval`).
- **fast_p**: the share of attempts that are faster by more than the factor p (KernelBench, Ouyang et al., 2025), with
  Wilson's interval.

All three suppose that attempts are independent draws. k goes up to a quarter of the number of attempts: beyond that
nearly every choice of k holds the same few attempts, and an interval is a guess. Of eight attempts, each 2x or a
failure by a coin, the jackknife's interval for the best of four misses its truth in a third of simulated boards.
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
        best: best@k; None where no interval can be had, as from attempts that all counted as 1.0.
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
    """pass@k and best@k at powers of two, up to a quarter of the attempts; at 1 always.

    Args:
        wins: how many attempts are faster.
        counted: what each attempt counts as, failures as 1.0; the base can always be kept, so less counts as 1.0.
    """
    total = len(counted)
    # Only what is above 0, from the top, and summed in C: boards hold a hundred thousand.
    falling = sorted(map(math.log, [value for value in counted if value > 1.0]), reverse=True)
    seen, fuller = _Values(falling, total), _Values([*falling[:1], *falling], total + 2)
    found = []
    for k in _KS:
        if k > max(1, total // 4) or not total:
            break
        estimate, error = seen.best_of(k)
        found.append(
            AtK(
                k=k,
                passed=pass_at_k(wins, total, k),
                best_estimate=math.exp(estimate),
                best=_best_interval(estimate, error, total, *fuller.best_of(k)),
            )
        )
    return found


class _Values:
    """The logarithms that are above 0 of what `total` attempts counted as, from the largest down."""

    def __init__(self, falling: Sequence[float], total: int) -> None:
        self._falling, self._total = falling, total
        self._gaps = list(map(sub, falling, chain(falling[1:], (0.0,))))
        self._places = list(map(float, range(total - 1, max(0, total - len(falling) - _KS[-1]), -1)))

    def best_of(self, k: int) -> tuple[float, float | None]:
        """The mean of the best of `k`, and its standard error; None where that cannot be had."""
        felt = self._falling[: _felt(self._total, k)]
        weights = list(_weights(self._places, k, self._total, len(felt)))
        estimate = sum(map(mul, weights, felt))
        return estimate, _jackknife_error(felt, self._gaps, weights, self._total, k, estimate)


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


def _best_interval(
    centre: float, error: float | None, total: int, fuller_centre: float, fuller_error: float | None
) -> Interval | None:
    """Student's interval, or that of what was seen and two attempts more where it ends further out."""
    ends = [
        (middle - half, middle + half)
        for middle, spread, count in ((centre, error, total), (fuller_centre, fuller_error, total + 2))
        if total > 1 and spread is not None and (half := t_quantile(count - 1) * spread)
    ]
    if not ends:
        return None
    low, high = max(0.0, min(low for low, _ in ends)), min(max(high for _, high in ends), 700.0)
    return Interval(estimate=math.exp(centre), low=math.exp(low), high=math.exp(high))
