"""What a strategy is, and what it decides from.

A strategy is pure: the same slot, the same attempts so far and the same random numbers give the same brief, so that
a resumed run decides as the one that was killed would have. It sees verdicts and what their patches touch; it reads
no file and asks no clock.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import exp, fsum, log
from typing import TYPE_CHECKING, Protocol

from harness.brief import Brief
from harness.strategy.approach import Approach
from harness.verdict import Interval, Verdict

if TYPE_CHECKING:
    from harness.plan import Slot

MEASURED = ("faster", "same", "slower")


@dataclass(frozen=True)
class Member:
    """An attempt that has been judged.

    Attributes:
        verdict: how.
        brief: what it had been told.
        approach: what its patch goes about.
    """

    verdict: Verdict
    brief: Brief = field(default_factory=Brief)
    approach: Approach = field(default_factory=Approach)

    @property
    def name(self) -> str:
        """The attempt's name."""
        return str(self.verdict.attempt)

    @cached_property
    def speedup(self) -> Interval | None:
        """How fast its patch is on the shown workloads; None where it was not timed, or not right."""
        return public_speedup(self.verdict) if self.verdict.status in MEASURED else None

    @property
    def is_faster(self) -> bool:
        """Whether its patch is faster for sure: confirmed, and so on the shown workloads, too."""
        return self.verdict.status == "faster" and self.speedup is not None and self.speedup.low > 1


class Strategy(Protocol):
    """Says what to try next."""

    @property
    def name(self) -> str:
        """What people call it."""

    def brief(self, slot: Slot, population: Sequence[Member], rng: random.Random) -> Brief:
        """What the attempt in `slot` is told; its `shown` and its `hints` are filled in by others.

        Args:
            slot: whose turn it is; an agent's, never a placebo's.
            population: the attempts that have been judged by now, by name. Placebos and the reference are not
                among them, nor what failed through a fault of ours.
            rng: random numbers of this slot's own, from the run's seed.
        """


def public_speedup(verdict: Verdict) -> Interval | None:
    """The speedup over the workloads an agent is shown: the geometric mean, with a 95 % interval that is too wide.

    A search that chose its parents by all workloads would fit its patches to the held-out ones, however little its
    prompts say; so these play no part in it. The mean of the ends holds wherever all the workloads' intervals do,
    and errors that are not all on one side cancel: the interval misses less often than it says.
    """
    shown = [workload.speedup for workload in verdict.workloads if not workload.held_out]
    if not shown or any(each.low <= 0 for each in shown):
        return None

    def mean(values: list[float]) -> float:
        return exp(fsum(log(value) for value in values) / len(values))

    return Interval(
        estimate=mean([each.estimate for each in shown]),
        low=mean([each.low for each in shown]),
        high=mean([each.high for each in shown]),
    )
