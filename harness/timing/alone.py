"""Calls asked for one by one, beside the samples that count: what a call takes whose result is wanted at once.

A sample is many calls under one clock, and they are independent. A candidate that finds out how many there are can put
all of them off to the last one, and do them in one go or on all cores: every output is there when the clock stops, and
none was when its call returned. Asked for one call, it has nothing to put together.

What is saved by a call alone is known in two ways: by the referee's clock around the calls, with the CPU time that the
arm uses beside them, and by all of the arm's CPU time, from the inputs to the digests. Nothing can be moved out of
sight here, and it does not matter that who counts its inputs knows what is coming. A patch that is faster by threads
saves no CPU time, and where calls are short the clock sees mostly how long waking up takes: the larger of the two
counts, and it is part of no result.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import median

from harness.timing.cpu_outside import CpuOutside
from harness.timing.session import Role, Session

MOST_CALLS = 16


class Alone:
    """One workload's calls one by one, on inputs that both arms have been given; to be made before they are given.

    Args:
        arms: base and candidate.
        seconds: the limit on one request.
    """

    def __init__(self, arms: Sequence[Session], seconds: float) -> None:
        self._arms = arms
        self._seconds = seconds
        self._outside = {arm.role: CpuOutside(arm) for arm in arms}
        self._clocked: dict[Role, list[int]] = {arm.role: [] for arm in arms}

    def run(self, calls: int, rng: random.Random) -> None:
        """Ask both arms for so many calls, in turn; their outputs are kept."""
        for index in range(calls):
            for arm in rng.sample(self._arms, 2):
                # As ahead of a sample: whoever was asked last answers sooner. The outputs up to here are kept.
                arm.run(0, self._seconds, start=index)
                with self._outside[arm.role].inside():
                    timing = arm.run(1, self._seconds, start=index)
                self._clocked[arm.role].append(timing.parent_ns)

    def saving_us(self, calls: int) -> float:
        """How many microseconds a call the candidate took less than the base; to be asked when outputs are bound."""
        beside = {role: outside.used_ns() / calls for role, outside in self._outside.items()}
        clocked = {role: median(times) + beside[role] for role, times in self._clocked.items()}
        used = {role: outside.all_ns() / calls for role, outside in self._outside.items()}
        return max(clocked["base"] - clocked["candidate"], used["base"] - used["candidate"]) / 1e3
