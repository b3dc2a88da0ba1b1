"""What k attempts are worth: against every choice counted out, and by simulation of how often intervals cover."""

from __future__ import annotations

import math
import random
from itertools import combinations
from statistics import fmean

import pytest

from harness.estimators import THRESHOLDS, at_k, fast_p, pass_at_k
from harness.intervals import attempts_interval, wilson


@pytest.mark.parametrize(("wins", "total", "k"), [(0, 5, 2), (5, 5, 3), (2, 6, 1), (2, 6, 3), (1, 7, 7)])
def test_pass_at_k_is_the_share_of_choices_with_a_win(wins: int, total: int, k: int) -> None:
    attempts = [True] * wins + [False] * (total - wins)
    choices = list(combinations(attempts, k))
    rate = pass_at_k(wins, total, k)
    assert rate.estimate == pytest.approx(sum(any(choice) for choice in choices) / len(choices))
    assert rate.low <= rate.estimate <= rate.high


def test_best_at_k_is_the_geometric_mean_over_choices() -> None:
    counted = [1.0, 0.7, 1.3, 2.0, 4.0, 1.0, 9.0, 1.1]
    for found in at_k(5, counted):
        logs = [math.log(max(1.0, *choice)) for choice in combinations(counted, found.k)]
        assert found.best_estimate == pytest.approx(math.exp(fmean(logs))), found.k
    assert [found.k for found in at_k(5, counted)] == [1, 2]  # up to a quarter of eight


@pytest.mark.parametrize("failures", [0, 1, 5])
def test_the_jackknife_against_leaving_each_out_in_turn(failures: int) -> None:
    rng = random.Random(4)
    counted = [math.exp(abs(rng.gauss(0, 1))) for _ in range(9 - failures)] + [1.0] * failures

    def best(values: list[float]) -> float:
        return fmean(max(math.log(each) for each in choice) for choice in combinations(values, 2))

    left_out = [best(counted[:at] + counted[at + 1 :]) for at in range(9)]
    error = math.sqrt(8 / 9 * sum((value - fmean(left_out)) ** 2 for value in left_out))
    interval = next(each for each in at_k(9, counted) if each.k == 2).best
    assert interval is not None
    half = 2.306 * error  # t, 8 degrees of freedom
    # With a failure and another of the best beside them, the ends may lie further out, and not by much.
    assert half * 0.999 <= math.log(interval.high) - math.log(interval.estimate) < 1.4 * half


def test_a_thousand_attempts_overflow_nothing() -> None:
    found = at_k(1, [1.0] * 999 + [8.0])
    assert found[-1].k == 128
    assert found[-1].passed.estimate == pytest.approx(0.128)
    assert found[-1].best_estimate == pytest.approx(8.0**0.128)


def test_attempts_that_all_counted_the_same_have_no_interval() -> None:
    [one, *_] = at_k(0, [1.0, 1.0, 1.0])
    assert one.best is None and one.best_estimate == 1.0
    assert at_k(0, []) == [] and fast_p([]) == []


def test_fast_p_counts_what_is_faster_by_more() -> None:
    curve = {each.factor: each.rate.estimate for each in fast_p([None, 1.05, 1.5, 4.0])}
    assert curve[1.0] == 0.75 and curve[1.25] == 0.5 and curve[1.5] == 0.25 and curve[5.0] == 0.0
    assert list(curve) == list(THRESHOLDS)


def _draw(rng: random.Random) -> float:
    """An agent that fails half of the time, and is 1.1x to 10x faster otherwise."""
    return math.exp(max(0.1, rng.gauss(0.8, 0.5))) if rng.random() < 0.5 else 1.0


def test_intervals_cover_as_often_as_they_say() -> None:
    """By simulation: 600 boards of 24 attempts each. 95 % +- 0.9 % is one standard error; t and Wilson are approximate.

    The truth of best@4 and of the mean come from 200,000 draws.
    """
    rng = random.Random(11)
    many = [_draw(rng) for _ in range(200_000)]
    mean = fmean(math.log(value) for value in many)
    best_of_4 = fmean(max(math.log(value) for value in many[at : at + 4]) for at in range(0, len(many), 4))
    share = sum(value > 1 for value in many) / len(many)
    covered = {"mean": 0, "rate": 0, "pass@4": 0, "best@4": 0}
    boards = 600
    for _ in range(boards):
        counted = [_draw(rng) for _ in range(24)]
        wins = sum(value > 1 for value in counted)
        rate, found = wilson(wins, 24), {each.k: each for each in at_k(wins, counted)}[4]
        interval = attempts_interval(counted)
        assert interval is not None and found.best is not None
        covered["mean"] += math.log(interval.low) <= mean <= math.log(interval.high)
        covered["rate"] += rate.low <= share <= rate.high
        covered["pass@4"] += found.passed.low <= 1 - (1 - share) ** 4 <= found.passed.high
        covered["best@4"] += math.log(found.best.low) <= best_of_4 <= math.log(found.best.high)
    shares = {name: count / boards for name, count in covered.items()}
    print("coverage:", shares)
    assert all(0.91 <= value <= 0.99 for value in shares.values()), shares
