"""The two-sample shift: its null distribution against scipy's, its coverage by simulation."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest
from scipy.stats import mannwhitneyu

from harness.timing.two_samples import rank_sum_cdf, shift


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 3), (4, 4), (5, 2), (6, 5)])
def test_the_null_distribution_counts_every_ordering(first: int, second: int) -> None:
    values = []
    for chosen in combinations(range(first + second), first):
        others = [rank for rank in range(first + second) if rank not in chosen]
        values.append(sum(a > b for a in chosen for b in others))
    for statistic in range(first * second + 1):
        expected = sum(value <= statistic for value in values) / len(values)
        assert rank_sum_cdf(first, second, statistic) == pytest.approx(expected)


@pytest.mark.parametrize(("first", "second"), [(8, 8), (8, 16), (32, 12)])
def test_the_interval_excludes_nothing_exactly_where_scipys_test_rejects(first: int, second: int) -> None:
    rng = random.Random(f"{first}:{second}")
    rejected = 0
    for trial in range(300):
        a = [rng.gauss(0, 1) for _ in range(first)]
        b = [rng.gauss(0.8 * (trial % 3), 1) for _ in range(second)]
        found = shift(a, b, 0.05)
        p = mannwhitneyu(a, b, method="exact").pvalue
        assert (found.low > 0 or found.high < 0) == (p <= 0.05), (found, p)
        rejected += p <= 0.05
    assert 50 < rejected < 250


def test_beyond_the_exact_range_the_approximation_is_close() -> None:
    assert rank_sum_cdf(65, 60, 1600) == pytest.approx(rank_sum_cdf(64, 60, 1575), abs=0.01)
    a = [float(n) for n in range(80)]
    found = shift(a, [value + 0.25 for value in a], 0.05)
    assert found.estimate == 0.25 and found.low < 0 < found.high


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = random.Random(7)
    trials = 2_000
    hits = 0
    for _ in range(trials):
        a = [rng.lognormvariate(0, 0.5) for _ in range(8)]
        b = [rng.lognormvariate(0, 0.5) + 0.3 for _ in range(8)]
        found = shift(a, b, 0.05)
        hits += found.low <= 0.3 <= found.high
    # The exact level for 8 and 8 is 95.0 %; three standard errors of the simulation are 1.5 %.
    assert found.level == pytest.approx(0.9502, abs=0.001)
    assert abs(hits / trials - found.level) < 3 * math.sqrt(0.05 * 0.95 / trials)


def test_too_few_values_are_told_by_the_level() -> None:
    found = shift([1.0, 2.0], [4.0, 6.0], 0.05)
    assert (found.estimate, found.low, found.high) == (3.5, 2.0, 5.0)
    assert found.level == pytest.approx(1 - 2 / 6)


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ValueError, match="no session values"):
        shift([], [1.0], 0.05)
    with pytest.raises(ValueError, match="between 0 and 1"):
        shift([1.0], [1.0], 1.0)
