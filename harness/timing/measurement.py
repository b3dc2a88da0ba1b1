"""What a measurement is asked for and what it gives back. Everything here crosses a process border as JSON."""

from __future__ import annotations

from pydantic import Field

from harness.verdict import Device, Interval, Record, WorkloadResult


class Protocol(Record):
    """How long and how hard to look.

    Attributes:
        looks: numbers of sessions after which the interval is looked at, ascending; the last is the most.
        alpha: two-sided error at each look. 0.022 at three looks spaced 1:2:4 is 5 % overall (Pocock, 1977).
        pairs: alternating base/candidate samples of one workload in one session.
        sample_ms: how long one sample should take; as many calls as fit, at least one.
        warmup_calls: calls of each workload in a fresh worker before anything is timed.
        min_effect: smallest effect worth a claim, as a fraction; stops the search early on both sides.
        sessions_per_server: sessions forked from one fork server before it is started anew.
    """

    looks: list[int] = Field(default=[8, 16, 32])
    alpha: float = 0.022
    pairs: int = 10
    sample_ms: float = 2.0
    warmup_calls: int = 2
    min_effect: float = 0.02
    sessions_per_server: int = 4


class MeasureJob(Record):
    """A measurement of one candidate tree against one base tree.

    `base_root` and `candidate_root` are checkouts; equal paths make an A/A measurement. `seed` is the
    parent's secret: inputs are made from it, and it never reaches a worker.
    """

    bench_file: str
    api: str
    device: str
    mode: str
    base_root: str
    candidate_root: str
    held_out: bool
    seed: int
    protocol: Protocol
    scratch: str


class Sample(Record):
    """One pair of samples: microseconds a call, base and candidate, taken one after the other."""

    session: int
    workload: str
    base_us: float
    candidate_us: float
    candidate_first: bool
    calls: int


class Progress(Record):
    """Where a measurement stands: sent after every session."""

    sessions: int
    most_sessions: int
    speedup: Interval


class Measurement(Record):
    """A finished measurement.

    Attributes:
        speedup: geometric mean over workloads, base time / candidate time, with its 95 % interval.
        stopped: why it ended: `decided` (the interval cleared min_effect), `futile` (it cannot any more), `exhausted`.
    """

    speedup: Interval
    workloads: list[WorkloadResult]
    samples: list[Sample]
    sessions: int
    stopped: str
    device: Device
    seconds: float


class WrongOutput(Record):
    """The candidate's outputs are wrong: `where` names workload and element, `detail` expected and found."""

    workload: str
    held_out: bool
    detail: str
