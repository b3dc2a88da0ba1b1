"""What a run's attempts may use up together: dollars, tokens, time. One ledger, however many work at once.

An attempt's own limits (`agent.budget`) hold beside it. When something of it is gone, no further attempt starts, and
agents at work end at their next step as they do at a limit of their own: what they have by then is judged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from agent.budget import LimitExceeded, Limits
from harness.errors import UsageError
from harness.verdict import Cost


@dataclass(frozen=True)
class RunLimits:
    """Limits of a whole run; None for none. Time is wall clock, without the times at which nobody ran it."""

    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Spent:
    """What was used up. Dollars are those whose price is known."""

    usd: float = 0.0
    tokens: int = 0
    seconds: float = 0.0

    def plus(self, cost: Cost) -> Spent:
        """With an attempt's cost added; its time passed beside others' and is not added."""
        return replace(self, usd=self.usd + (cost.usd or 0.0), tokens=self.tokens + tokens_of(cost))


class RunBudget:
    """Counts over all attempts, from any thread. Starts the clock when it is made.

    Args:
        limits: what the run may use.
        before: what it had used when it was killed or ended.
        clock: gives seconds.
    """

    def __init__(
        self, limits: RunLimits, before: Spent | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self._spent = before or Spent()
        self._under_way: dict[str, Spent] = {}
        self._last: dict[str, Cost] = {}
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spent:
        """What is used up by now, agents at work included as far as they have told."""
        with self._lock:
            parts = [self._spent, *self._under_way.values()]
        return Spent(
            usd=sum(part.usd for part in parts),
            tokens=sum(part.tokens for part in parts),
            seconds=self._spent.seconds + self._clock() - self._start,
        )

    def settle(self, attempt: str, cost: Cost) -> None:
        """A try is over, and this is what it cost.

        Raises:
            UsageError: nobody knows what it cost, and dollars are limited.
        """
        with self._lock:
            self._under_way.pop(attempt, None)
            self._spent = self._spent.plus(cost)
            self._last[attempt] = cost
        if cost.usd is None and self.limits.usd is not None:
            raise UsageError(
                f"--max-usd cannot be held: the price of the model is unknown (attempt {attempt}).",
                remedy="Limit tokens instead, with --max-tokens, or tell its price.",
            )

    def take_back(self, attempt: str) -> None:
        """The attempt's last try is judged anew without its agent: its verdict will bring the same cost once more."""
        with self._lock:
            cost = self._last.pop(attempt, Cost())
            usd, tokens = self._spent.usd - (cost.usd or 0.0), self._spent.tokens - tokens_of(cost)
            self._spent = replace(self._spent, usd=usd, tokens=tokens)

    def report(self, attempt: str, usd: float | None, tokens: int) -> None:
        """What an agent at work has used up so far."""
        with self._lock:
            self._under_way[attempt] = Spent(usd=usd or 0.0, tokens=tokens)

    def reported(self, attempt: str) -> Spent:
        """What an agent at work has told so far."""
        with self._lock:
            return self._under_way.get(attempt, Spent())

    def spent_beside(self, attempts: Iterable[str]) -> Spent:
        """What is used up by now, without what these attempts at work have told."""
        spent = self.spent
        for part in map(self.reported, attempts):
            spent = replace(spent, usd=spent.usd - part.usd, tokens=spent.tokens - part.tokens)
        return spent

    def check(self) -> None:
        """Raise LimitExceeded if something of it is gone."""
        spent, limits = self.spent, self.limits
        if limits.usd is not None and spent.usd >= limits.usd:
            raise LimitExceeded("usd", spent.usd, limits.usd)
        if limits.tokens is not None and spent.tokens >= limits.tokens:
            raise LimitExceeded("tokens", spent.tokens, limits.tokens)
        if limits.seconds is not None and spent.seconds >= limits.seconds:
            raise LimitExceeded("seconds", spent.seconds, limits.seconds)

    def gone(self) -> str | None:
        """What of it is gone, in a sentence; None while there is something of everything."""
        try:
            self.check()
        except LimitExceeded as limit:
            return f"The run's budget is used up: {limit}."
        return None

    def within(self, limits: Limits, attempt: str, waited: Callable[[], float] = lambda: 0.0) -> Limits:
        """An attempt's limits, made no wider than what is left for all, and tied to what the others use up.

        Args:
            limits: its own.
            attempt: its name.
            waited: for how many seconds it has waited for others.
        """
        spent = self.spent
        left_usd = None if self.limits.usd is None else max(0.0, self.limits.usd - spent.usd)
        usd = [each for each in (limits.usd, left_usd) if each is not None]
        tokens, seconds = limits.tokens, limits.seconds
        if self.limits.tokens is not None:
            tokens = min(tokens, max(0, self.limits.tokens - spent.tokens))
        if self.limits.seconds is not None:
            seconds = min(seconds, max(0.0, self.limits.seconds - spent.seconds))
        share = _Share(self, attempt, waited)
        return replace(limits, usd=min(usd, default=None), tokens=tokens, seconds=seconds, share=share)


@dataclass(frozen=True)
class _Share:
    """The run's budget, as one attempt's session sees it; an `agent.budget.Share`."""

    budget: RunBudget
    attempt: str
    waited: Callable[[], float]

    def check(self) -> None:
        self.budget.check()

    def report(self, usd: float | None, tokens: int) -> None:
        self.budget.report(self.attempt, usd, tokens)


def tokens_of(cost: Cost) -> int:
    """Tokens in and out together."""
    return cost.tokens.input + cost.tokens.output
