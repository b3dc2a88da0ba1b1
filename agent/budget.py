"""The only ledger: what an agent may use up, what it has used up, and the end when it would use more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

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


class Share(Protocol):
    """What several sessions may use up together, as one of them sees it."""

    def check(self) -> None:
        """Raise LimitExceeded when nothing is left for all of them."""

    def report(self, usd: float | None, tokens: int) -> None:
        """What this session has used up so far."""

    def waited(self) -> float:
        """Seconds that it waited for others: they are not its own."""


@dataclass(frozen=True)
class Limits:
    """What one attempt may use: model calls, wall-clock seconds, dollars (None: no limit), tokens in and out.

    `share` is what it has in common with others, if with any.
    """

    steps: int
    seconds: float
    usd: float | None
    tokens: int
    share: Share | None = None


class Pricing(Protocol):
    """What turns tokens into dollars."""

    def usd(self, usage: Usage) -> float:
        """What one call cost. `cached` is part of `input` and `reasoning` part of `output`: neither counts twice."""


@dataclass(frozen=True)
class Prices:
    """Dollars for a million tokens, whatever the size of a call. `cached` is for input from the provider's cache."""

    input: float
    cached: float
    output: float

    def usd(self, usage: Usage) -> float:
        """What a call cost."""
        fresh = max(0, usage.input - usage.cached)
        return (fresh * self.input + usage.cached * self.cached + usage.output * self.output) / 1e6


class Call:
    """One call of the model, reserved and not yet settled."""

    def __init__(self, reserved: Usage) -> None:
        self.reserved = reserved
        self.bill: Usage | None = None

    def settle(self, usage: Usage) -> None:
        """The call is over, well or badly, and this is its bill."""
        self.bill = usage


class Budget:
    """Counts, and says when it is enough. Starts the clock when it is made."""

    def __init__(
        self, limits: Limits, prices: Pricing | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self.steps = 0
        self.usage = Usage()
        self._prices = prices
        self._spent = 0.0
        self._clock = clock
        self._start = clock()

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since the start, without those it waited for others."""
        waited = 0.0 if self.limits.share is None else self.limits.share.waited()
        return self._clock() - self._start - waited

    @property
    def seconds_left(self) -> float:
        """Wall-clock seconds until the limit, never below 0."""
        return max(0.0, self.limits.seconds - self.seconds)

    @property
    def steps_left(self) -> int:
        """Calls of the model until the limit."""
        return self.limits.steps - self.steps

    @property
    def tokens(self) -> int:
        """Tokens used, in and out together."""
        return self.usage.input + self.usage.output

    @property
    def usd(self) -> float | None:
        """Dollars used; None when tokens were billed at a price nobody told us."""
        if self._prices is not None:
            return self._spent
        return 0.0 if self.usage == Usage() else None

    @contextmanager
    def call(self, input_tokens: int = 0) -> Iterator[Call]:
        """Reserve one call of the model, and enter its bill when it is over, however it ended.

        A call that ended without a bill (somebody pressed Ctrl-C) is billed what was reserved, as an estimate.

        Args:
            input_tokens: an estimate of what the call will send; the true number is charged afterwards.

        Raises:
            LimitExceeded: it would exceed a limit; nothing is counted.
        """
        self.reserve_turn(input_tokens)
        call = Call(Usage(input=input_tokens, estimated=input_tokens))
        try:
            yield call
        finally:
            self.charge_turn(call.reserved if call.bill is None else call.bill)

    def reserve_turn(self, input_tokens: int = 0) -> None:
        """Count one step, unless the call of the model it stands for would exceed a limit.

        For whoever has several calls under way; `call` is for all others.

        Args:
            input_tokens: an estimate of what the call will send; the true number is charged afterwards.

        Raises:
            LimitExceeded: it would.
        """
        self._require_room(input_tokens)
        self.steps += 1

    def charge_turn(self, usage: Usage) -> None:
        """Enter what a call was billed, whatever came of it."""
        self.usage += usage
        if self._prices is not None:
            self._spent += self._prices.usd(usage)
        if self.limits.share is not None:
            self.limits.share.report(self.usd, self.tokens)

    def check_time(self) -> None:
        """Raise LimitExceeded when the time is over."""
        if self.seconds >= self.limits.seconds:
            raise LimitExceeded("seconds", self.seconds, self.limits.seconds)

    def remaining(self) -> str:
        """What is left, in one line for the agent. Money only where it is limited and its price known."""
        left = [
            _amount("steps", max(0, self.steps_left)),
            _amount("seconds", self.seconds_left),
            _amount("tokens", max(0, self.limits.tokens - self.tokens)),
        ]
        if self.limits.usd is not None and self._prices is not None:
            left.append(_amount("usd", max(0.0, self.limits.usd - self._spent)))
        return ", ".join(left)

    def _require_room(self, input_tokens: int) -> None:
        self.check_time()
        if self.limits.share is not None:
            self.limits.share.check()
        if self.steps_left <= 0:
            raise LimitExceeded("steps", self.steps, self.limits.steps)
        if self.tokens + input_tokens > self.limits.tokens:
            raise LimitExceeded("tokens", self.tokens, self.limits.tokens)
        if self.limits.usd is not None and self._prices is not None:
            # Most of the input is usually cached, so the estimate takes that price: never too early.
            coming = self._prices.usd(Usage(input=input_tokens, cached=input_tokens))
            if self._spent + coming > self.limits.usd or self._spent >= self.limits.usd:
                raise LimitExceeded("usd", self._spent, self.limits.usd)


def _amount(kind: LimitKind, value: float) -> str:
    if kind == "usd":
        return f"${value:.2f}"
    if kind == "seconds":
        return f"{value:.0f} s"
    return f"{value:,.0f} {kind}"
