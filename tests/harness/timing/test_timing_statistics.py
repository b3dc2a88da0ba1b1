"""The estimate and its interval, against scipy, by hand and by simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from harness.timing.sequential import why_stop
from harness.timing.statistics import critical_value, hodges_lehmann, session_value, signed_rank_cdf
from harness.verdict import Interval


@pytest.mark.parametrize("count", [1, 2, 5, 6, 8, 16, 25])
def test_the_distribution_is_scipys(count: int) -> None:
    # scipy's one-sided exact p value for W+ = w is P(W <= w).
    rng = np.random.default_rng(count)
    for _ in range(10):
        values = rng.normal(size=count)
        statistic = stats.wilcoxon(values, alternative="less", method="exact")
        assert signed_rank_cdf(count, int(statistic.statistic)) == pytest.approx(statistic.pvalue)


def test_the_normal_approximation_joins_the_exact_distribution() -> None:
    for statistic in (1900, 2100, 2525, 2900):
        mean, deviation = 100 * 101 / 4, math.sqrt(100 * 101 * 201 / 24)
        normal = stats.norm.cdf((statistic + 0.5 - mean) / deviation)
        assert signed_rank_cdf(100, statistic) == pytest.approx(normal, rel=0.03)
    assert critical_value(101, 0.05) == pytest.approx(critical_value(100, 0.05), rel=0.03)


def test_critical_values_are_the_tables() -> None:
    # Two-sided 5 %: Hollander, Wolfe and Chicken, table A.4; none exists below 6.
    assert [critical_value(count, 0.05) for count in (5, 6, 7, 8, 9, 10, 20)] == [-1, 0, 2, 3, 5, 8, 52]


def test_the_interval_inverts_the_test() -> None:
    rng = np.random.default_rng(3)
    values = list(rng.normal(0.3, 1.0, size=14))
    found = hodges_lehmann(values, 0.05)
    for centre, outside in [(found.low - 1e-9, True), (found.low + 1e-9, False), (found.high - 1e-9, False)]:
        pvalue = stats.wilcoxon(np.array(values) - centre, method="exact").pvalue
        assert bool(pvalue <= 0.05) is outside
    assert found.low < found.estimate < found.high
    assert 0.95 <= found.level < 0.96


def test_with_too_few_sessions_the_interval_is_the_widest_and_says_so() -> None:
    found = hodges_lehmann([0.1, 0.2, 0.4, 0.3, 0.5], 0.05)
    assert (found.low, found.high) == (0.1, 0.5)
    assert found.level == 1 - 2**-4
    assert hodges_lehmann([0.1], 0.05).level == 0.0
    assert hodges_lehmann([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.05).level == 1 - 2**-5


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_nonsense_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        hodges_lehmann([1.0], alpha)
    with pytest.raises(ValueError, match="no session"):
        hodges_lehmann([], 0.05)


def test_one_wild_session_moves_the_estimate_little() -> None:
    calm = [0.01 * step for step in range(-5, 6)]
    assert abs(hodges_lehmann([*calm, 5.0], 0.05).estimate) < 0.02


def test_a_session_value_is_the_median_log_ratio() -> None:
    assert session_value([2.0, 4.0, 100.0], [1.0, 2.0, 1.0]) == pytest.approx(math.log(2))


Draw = Callable[[np.random.Generator, int], np.ndarray]
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, count: rng.normal(size=count),
    "heavy-tailed": lambda rng, count: rng.standard_t(2, size=count),
    "hiccups": lambda rng, count: np.where(rng.random(count) < 0.2, 10, 1) * rng.normal(size=count),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
@pytest.mark.parametrize("count", [8, 16])
def test_intervals_cover_as_often_as_they_say(draw: Draw, count: int) -> None:
    rng = np.random.default_rng(11)
    trials = 1500
    missed = 0
    level = 0.0
    for _ in range(trials):
        found = hodges_lehmann(list(draw(rng, count)), 0.05)
        level = found.level
        missed += not found.low <= 0 <= found.high
    low, high = stats.binom.ppf([0.0005, 0.9995], trials, 1 - level)
    assert low <= missed <= high


def test_looking_three_times_errs_in_five_percent_of_measurements() -> None:
    """The default protocol, with no effect: how often does any look exclude 1, and does the published one cover?"""
    rng = np.random.default_rng(12)
    trials, ever = 1500, 0
    for _ in range(trials):
        values = list(rng.normal(size=24))
        intervals = [hodges_lehmann(values[:look], 0.022) for look in (8, 16, 24)]
        ever += any(not each.low <= 0 <= each.high for each in intervals)
    assert ever <= stats.binom.ppf(0.9995, trials, 0.05)
    # Uncorrected looks err twice as often: the test above could fail.
    assert ever >= stats.binom.ppf(0.0005, trials, 0.025)


def _interval(low: float, high: float) -> Interval:
    return Interval(estimate=(low + high) / 2, low=low, high=high)


@pytest.mark.parametrize(
    ("low", "high", "sessions", "expected"),
    [
        (1.03, 1.10, 8, "decided"),
        (0.90, 0.97, 8, "decided"),
        (0.97, 1.01, 8, "futile"),
        (1.01, 1.10, 8, None),
        (1.01, 1.10, 24, "exhausted"),
        (0.99, 1.03, 16, None),
        (3.00, 3.10, 9, None),
    ],
)
def test_when_to_stop(low: float, high: float, sessions: int, expected: str | None) -> None:
    found = why_stop(_interval(low, high), sessions=sessions, looks=[8, 16, 24], min_effect=0.02)
    assert found == expected


@pytest.mark.parametrize(
    ("low", "high", "sessions", "expected"),
    [
        (0.985, 1.30, 8, "decided"),
        (0.90, 0.97, 8, "decided"),
        (0.97, 1.01, 8, None),
        (0.97, 1.01, 24, "exhausted"),
        (3.00, 3.10, 9, None),
    ],
)
def test_when_to_stop_looking_for_a_loss(low: float, high: float, sessions: int, expected: str | None) -> None:
    found = why_stop(_interval(low, high), sessions=sessions, looks=[8, 16, 24], min_effect=0.02, question="not_slower")
    assert found == expected
