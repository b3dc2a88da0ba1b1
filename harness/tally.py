"""Results added up: one pass over them all, of which a board keeps only what its arithmetic needs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.result import Result


class Kind(NamedTuple):
    """What results have in common that are added up together. The fields are `Result`'s."""

    run: str | None
    device: str | None
    task: str
    agent: str
    model: str | None
    status: str


@dataclass(slots=True)
class Tally:
    """What results of one status come to.

    Attributes:
        speedups: of those that were timed.
        usd: dollars of each, None where a price is unknown; `tokens` and `seconds` likewise.
        best: the one that was timed and whose interval begins highest; the first by name of several as good.
    """

    speedups: list[float] = field(default_factory=list)
    usd: list[float | None] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best: Result | None = None

    @property
    def count(self) -> int:
        """How many results there are."""
        return len(self.usd)

    def add(self, other: Tally) -> None:
        """Take in what another has."""
        self.speedups += other.speedups
        self.usd += other.usd
        self.tokens += other.tokens
        self.seconds += other.seconds
        if self.best is None or (other.best is not None and _order(other.best) < _order(self.best)):
            self.best = other.best


def tallies(results: Iterable[Result]) -> dict[Kind, Tally]:
    """Add up results by kind."""
    found: dict[tuple[str | None, str | None, str, str, str | None, str], Tally] = {}
    for result in results:
        # One statement for all fields, and no calls: a board has a hundred thousand.
        run, _, task, agent, model, status, speedup, _, low, _, device, usd, tokens, seconds = result
        kind = (run, device, task, agent, model, status)
        tally = found.get(kind)
        if tally is None:
            tally = found[kind] = Tally()
        tally.usd.append(usd)
        tally.tokens.append(tokens)
        tally.seconds.append(seconds)
        if speedup is not None:
            tally.speedups.append(speedup)
            best = tally.best
            is_behind = best is not None and best.low is not None and (low is None or low < best.low)
            if best is None or (not is_behind and _order(result) < _order(best)):
                tally.best = result
    return {Kind(*kind): tally for kind, tally in found.items()}


def _order(result: Result) -> tuple[float, str]:
    """The best first. Without an interval it is behind all that have one."""
    return math.inf if result.low is None else -result.low, result.name or ""
