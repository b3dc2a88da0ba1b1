"""Searches with a synthetic model: is what a run publishes of its winner true as often as it says? Seeded throughout.

`make bench` simulates many more runs, and prints what they find; docs/strategies.md has its table.
"""

from __future__ import annotations

import math
import random

import pytest

from benchmarks.strategies import Found, all_strategies, simulate, summed_up
from benchmarks.synthetic_judge import TASK_MIN_EFFECT, SyntheticJudge, recorded_noise
from benchmarks.synthetic_model import LANDSCAPES
from harness.intervals import Rate
from harness.strategy.best_of_n import BestOfN

NOISE = recorded_noise("2-core-vm")


def is_credible(share: Rate, trials: int) -> bool:
    """Whether 95 % coverage would give so few hits at least once in a thousand times (binomial)."""
    hits = round(share.estimate * trials)
    at_most = sum(math.comb(trials, k) * 0.95**k * 0.05 ** (trials - k) for k in range(hits + 1))
    return at_most >= 0.001


def holds(found: Found) -> bool:
    return found.covered is not None and is_credible(found.covered, found.winners)


def test_the_bound_can_be_missed() -> None:
    assert is_credible(Rate(estimate=0.95, low=0, high=1), 100)
    assert is_credible(Rate(estimate=0.88, low=0, high=1), 100)
    assert not is_credible(Rate(estimate=0.86, low=0, high=1), 100)


@pytest.mark.parametrize("name", all_strategies())
def test_a_search_finds_more_with_more_attempts_and_its_winner_is_as_fast_as_it_says(name: str) -> None:
    runs = simulate(all_strategies()[name], LANDSCAPES["ideas"], NOISE, runs=40, most=16)
    found = {budget: summed_up(published) for budget, published in runs.items()}
    assert found[16].best.low > found[2].best.high
    assert found[16].winners >= 35
    assert holds(found[4]) and holds(found[16])


def test_the_best_of_equals_is_chosen_by_luck_and_still_as_fast_as_it_says() -> None:
    runs = simulate(BestOfN(), LANDSCAPES["plateau"], NOISE, runs=100, most=16)
    found = {budget: summed_up(published) for budget, published in runs.items()}
    assert found[16].winners >= 85
    assert found[16].best.high == pytest.approx(1.1, abs=0.005)
    assert all(holds(each) for each in found.values())


def test_of_patches_that_are_worth_nothing_none_wins() -> None:
    judge = SyntheticJudge(NOISE, random.Random(5))
    assert judge.min_effect >= TASK_MIN_EFFECT
    assert [judge.judge(f"{number:03d}", 0.0, "none").status for number in range(40)].count("faster") == 0
