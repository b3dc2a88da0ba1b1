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
    with pytest.raises(LimitExceeded) as caught, budget.call(input_tokens):
        pytest.fail("the call should not be made")
    return caught.value


def _bill(budget: Budget, usage: Usage | None = None, input_tokens: int = 0) -> None:
    with budget.call(input_tokens) as call:
        call.settle(usage or Usage())


def test_steps_end_before_the_one_too_many() -> None:
    budget, _ = _budget(steps=2)
    _bill(budget)
    _bill(budget)
    error = _exceeded(budget)
    assert (error.kind, error.value, error.limit) == ("steps", 2, 2)
    assert budget.steps == 2


def test_seconds_end_at_the_limit() -> None:
    budget, clock = _budget(seconds=60)
    clock.now += 59.9
    _bill(budget)
    assert budget.seconds_left == pytest.approx(0.1)
    clock.now += 1
    assert _exceeded(budget).kind == "seconds"
    assert budget.seconds_left == 0


def test_tokens_count_what_is_about_to_be_sent() -> None:
    budget, _ = _budget(tokens=1000)
    _bill(budget, Usage(input=500, cached=400, output=300, reasoning=200))
    assert budget.tokens == 800
    _bill(budget, input_tokens=200)
    assert _exceeded(budget, 201).kind == "tokens"


def test_cached_and_reasoning_tokens_are_billed_once() -> None:
    usage = Usage(input=1_000_000, cached=400_000, output=100_000, reasoning=90_000)
    assert PRICES.usd(usage) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 10)


def test_dollars_end_it_where_the_price_is_known() -> None:
    budget, _ = _budget(steps=9, usd=1.0, tokens=10**9, prices=PRICES)
    _bill(budget, Usage(output=99_000))
    assert budget.usd == pytest.approx(0.99)
    _bill(budget, input_tokens=10_000)
    assert _exceeded(budget, 30_000).kind == "usd"
    _bill(budget, Usage(output=2_000))
    assert _exceeded(budget).kind == "usd"


def test_an_unknown_price_is_not_zero_dollars() -> None:
    budget, _ = _budget(tokens=10**9)
    assert budget.usd == 0
    _bill(budget, Usage(output=1))
    assert budget.usd is None
    _bill(budget, input_tokens=10**6)


def test_remaining_says_what_is_left() -> None:
    budget, clock = _budget(usd=5, tokens=2_000_000, prices=PRICES)
    _bill(budget, Usage(input=500_000))
    clock.now += 12.4
    assert budget.remaining() == "2 steps, 48 s, 1,500,000 tokens, $4.00"
    assert "$" not in _budget()[0].remaining()
    assert "$" not in _budget(usd=None, prices=PRICES)[0].remaining()


def test_a_call_that_never_ended_is_billed_what_was_reserved_and_marked() -> None:
    budget, _ = _budget(prices=PRICES)
    with pytest.raises(KeyboardInterrupt), budget.call(500):
        raise KeyboardInterrupt
    assert budget.usage == Usage(input=500, estimated=500)
    assert budget.usd == pytest.approx(500 * 2 / 1e6)


def test_every_call_is_priced_by_itself() -> None:
    class Steps:
        """Twice the price for long requests."""

        def usd(self, usage: Usage) -> float:
            return usage.input * (2.0 if usage.input > 100 else 1.0)

    budget = Budget(Limits(9, 60, None, 10**6), Steps())
    for size in (100, 101):
        _bill(budget, Usage(input=size))
    assert budget.usd == 100 + 202
