from __future__ import annotations

import pytest

from agent.budget import Budget, LimitExceeded, Limits, Prices
from agent.messages import Usage

PRICES = Prices(input=2.0, cached=0.5, output=10.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _budget(
    steps: int = 3, seconds: float = 60, usd: float | None = 1.0, tokens: int = 1000, prices: Prices | None = None
) -> tuple[Budget, Clock]:
    clock = Clock()
    return Budget(Limits(steps, seconds, usd, tokens), prices, clock), clock


def _exceeded(budget: Budget, input_tokens: int = 0) -> LimitExceeded:
    with pytest.raises(LimitExceeded) as caught:
        budget.reserve_turn(input_tokens)
    return caught.value


def test_steps_end_before_the_one_too_many() -> None:
    budget, _ = _budget(steps=2)
    budget.reserve_turn()
    budget.reserve_turn()
    error = _exceeded(budget)
    assert (error.kind, error.value, error.limit) == ("steps", 2, 2)
    assert budget.steps == 2


def test_seconds_end_at_the_limit() -> None:
    budget, clock = _budget(seconds=60)
    clock.now += 59.9
    budget.reserve_turn()
    assert budget.seconds_left == pytest.approx(0.1)
    clock.now += 1
    assert _exceeded(budget).kind == "seconds"
    assert budget.seconds_left == 0


def test_tokens_count_what_is_about_to_be_sent() -> None:
    budget, _ = _budget(tokens=1000)
    budget.charge_turn(Usage(input=500, cached=400, output=300, reasoning=200))
    assert budget.tokens == 800
    budget.reserve_turn(200)
    assert _exceeded(budget, 201).kind == "tokens"


def test_cached_and_reasoning_tokens_are_billed_once() -> None:
    usage = Usage(input=1_000_000, cached=400_000, output=100_000, reasoning=90_000)
    assert PRICES.usd(usage) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 10)


def test_dollars_end_it_where_the_price_is_known() -> None:
    budget, _ = _budget(usd=1.0, tokens=10**9, prices=PRICES)
    budget.charge_turn(Usage(output=99_000))
    assert budget.usd == pytest.approx(0.99)
    budget.reserve_turn(10_000)
    assert _exceeded(budget, 30_000).kind == "usd"
    budget.charge_turn(Usage(output=2_000))
    assert _exceeded(budget).kind == "usd"


def test_an_unknown_price_is_not_zero_dollars() -> None:
    budget, _ = _budget(tokens=10**9)
    assert budget.usd == 0
    budget.charge_turn(Usage(output=1))
    assert budget.usd is None
    budget.reserve_turn(10**6)


def test_remaining_says_what_is_left() -> None:
    budget, clock = _budget(usd=5, tokens=2_000_000, prices=PRICES)
    budget.reserve_turn()
    budget.charge_turn(Usage(input=500_000))
    clock.now += 12.4
    assert budget.remaining() == "2 steps, 48 s, 1,500,000 tokens, $4.00"
    assert "$" not in _budget()[0].remaining()
    assert "$" not in _budget(usd=None, prices=PRICES)[0].remaining()
