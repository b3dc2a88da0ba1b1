"""How a session of a measurement is planned, and what one found."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from harness.timing.bench import Workload
from harness.timing.job import Protocol
from harness.timing.measurement import Sample


@dataclass(frozen=True)
class Plan:
    """How one workload is sampled, fixed in the first session for the whole measurement.

    Attributes:
        calls: calls in a sample.
        pairs: pairs of samples in a session.
        warmup_calls: calls before the first.
        seconds: the limit on one request of `2 * calls` calls.
    """

    calls: int
    pairs: int
    warmup_calls: int
    seconds: float


@dataclass
class SessionRecord:
    """What one session found: samples, and for the cross-checks (see `audit`) microseconds a call by workload.

    `candidate_slope_us` is the time of the second half of a sample of 2K calls. `base_idle_us` and
    `candidate_idle_us` are the CPU time an arm used outside its samples: to take inputs and to hand outputs back,
    which costs both the same, and for whatever a candidate puts off. `base_commit_us` and `candidate_commit_us` are
    what binding a sample's outputs took an arm: CPU time, and on a GPU, where waiting takes none, wall time.
    `alone_saving_us` is what the candidate took less than the base where calls were asked for one by one (`alone`), for
    workloads whose samples are of several calls, on a CPU.
    """

    samples: list[Sample] = field(default_factory=list)
    candidate_slope_us: dict[str, float] = field(default_factory=dict)
    base_idle_us: dict[str, float] = field(default_factory=dict)
    candidate_idle_us: dict[str, float] = field(default_factory=dict)
    base_commit_us: dict[str, list[float]] = field(default_factory=dict)
    candidate_commit_us: dict[str, list[float]] = field(default_factory=dict)
    alone_saving_us: dict[str, float] = field(default_factory=dict)
    round_trip_us: float = 0.0
    repeated_inputs: set[str] = field(default_factory=set)


class BaseFailed(Exception):
    """The base's output is wrong by the bench's own oracle: no candidate could be judged."""


def in_random_order(workloads: list[Workload], rng: random.Random) -> list[Workload]:
    """The workloads in an order of their own for every session: none always follows the same other."""
    return rng.sample(workloads, len(workloads))


def pairs_within(afford: float, protocol: Protocol) -> int:
    """How many pairs of samples a session takes where `afford` fit into its time: an even number, see `pair_order`."""
    return max(protocol.min_pairs, min(protocol.pairs, int(afford)) // 2 * 2)


def pair_order(pairs: int, rng: random.Random) -> list[bool]:
    """For every pair, whether the candidate is timed first: in half of them, in random order.

    Who goes first may well have it easier: on a virtual machine of two cores the first sample of a pair was 2 to 9 %
    shorter than the second. Half and half, that cancels out of a session's median. Of an odd number one is left over,
    and a coin decides it: with one pair more for the candidate, as it once was, a median takes its side every time.
    """
    first = [index % 2 == 0 for index in range(pairs)]
    if pairs % 2:
        first[-1] = rng.random() < 0.5
    rng.shuffle(first)
    return first
