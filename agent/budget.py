"""The only ledger: what an agent may use up, what it has used up, and the end when it would use more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agent.messages import Usage

LimitKind = Literal["steps", "seconds", "usd", "tokens"]


class LimitExceeded(Exception):
    """Going on would use more than is allowed.

    Attributes:
        kind: which limit.
        value: what is used up already.
        limit: what is allowed.
    """

    def __init__(self, kind: LimitKind, value: float, limit: float) -> None:
        super().__init__(f"the limit of {_amount(kind, limit)} is reached (used: {_amount(kind, value)})")
        self.kind: LimitKind = kind
        self.value = value
        self.limit = limit


@dataclass(frozen=True)
class Limits:
    """What one attempt may use: model calls, wall-clock seconds, dollars (None: no limit), tokens in and out."""

    steps: int
    seconds: float
    usd: float | None
    tokens: int


@dataclass(frozen=True)
class Prices:
    """Dollars for a million tokens. `cached` is for the input read from the provider's cache."""

    input: float
    cached: float
    output: float

    def usd(self, usage: Usage) -> float:
        """What a turn cost. `cached` is part of `input` and `reasoning` part of `output`, so neither counts twice."""
        fresh = usage.input - usage.cached
        return (fresh * self.input + usage.cached * self.cached + usage.output * self.output) / 1e6


class Budget:
    """Counts, and says when it is enough. Starts the clock when it is made."""

    def __init__(
        self, limits: Limits, prices: Prices | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self.steps = 0
        self.usage = Usage()
        self._prices = prices
        self._clock = clock
        self._start = clock()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the start."""
        return self._clock() - self._start

    @property
    def seconds_left(self) -> float:
        """Wall-clock seconds until the limit, never below 0."""
        return max(0.0, self.limits.seconds - self.seconds)

    @property
    def tokens(self) -> int:
        """Tokens used, in and out together."""
        return self.usage.input + self.usage.output

    @property
    def usd(self) -> float | None:
        """Dollars used; None when tokens were billed at a price nobody told us."""
        if self._prices is not None:
            return self._prices.usd(self.usage)
        return 0.0 if self.usage == Usage() else None

    def reserve_turn(self, input_tokens: int = 0) -> None:
        """Count one step, unless the call of the model it stands for would exceed a limit.

        Args:
            input_tokens: an estimate of what the call will send; the true number is charged afterwards.

        Raises:
            LimitExceeded: it would.
        """
        self.check_time()
        if self.steps >= self.limits.steps:
            raise LimitExceeded("steps", self.steps, self.limits.steps)
        if self.tokens + input_tokens > self.limits.tokens:
            raise LimitExceeded("tokens", self.tokens, self.limits.tokens)
        if self.limits.usd is not None and self._prices is not None:
            spent = self._prices.usd(self.usage)
            # Most of the input is usually cached, so the estimate takes the lower price: never too early.
            coming = input_tokens * min(self._prices.cached, self._prices.input) / 1e6
            if spent + coming > self.limits.usd or spent >= self.limits.usd:
                raise LimitExceeded("usd", spent, self.limits.usd)
        self.steps += 1

    def check_time(self) -> None:
        """Raise LimitExceeded when the time is over."""
        if self.seconds >= self.limits.seconds:
            raise LimitExceeded("seconds", self.seconds, self.limits.seconds)

    def charge_turn(self, usage: Usage) -> None:
        """Add what a turn was billed, parsable or not."""
        self.usage += usage

    def remaining(self) -> str:
        """What is left, in one line for the agent. Money only where it is limited and its price known."""
        left = [
            _amount("steps", max(0, self.limits.steps - self.steps)),
            _amount("seconds", self.seconds_left),
            _amount("tokens", max(0, self.limits.tokens - self.tokens)),
        ]
        if self.limits.usd is not None and self._prices is not None:
            left.append(_amount("usd", max(0.0, self.limits.usd - self._prices.usd(self.usage))))
        return ", ".join(left)


def _amount(kind: LimitKind, value: float) -> str:
    if kind == "usd":
        return f"${value:.2f}"
    if kind == "seconds":
        return f"{value:.0f} s"
    return f"{value:,.0f} {kind}"
