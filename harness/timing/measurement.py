"""What a measurement is asked for and what it gives back. Everything here crosses a process border as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.errors import Status
from harness.timing.gpu_records import GpuEvidence, NotCaptured
from harness.timing.sequential import Question
from harness.verdict import Device, Interval, Record, WorkloadResult


class Workload(BaseModel):
    """One shape the target is timed on. `held_out` ones are never shown to an agent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    held_out: bool = False
    params: dict[str, Any] = Field(default_factory=dict)


class Protocol(Record):
    """How long and how hard to look.

    Attributes:
        looks: numbers of sessions after which the interval is looked at, ascending; the last is the most.
        alpha: two-sided error at each look. 0.022 at three evenly spaced looks is 5 % overall (Pocock, 1977).
        pairs: alternating base/candidate samples of one workload in one session, at most.
        min_pairs: the least pairs, for workloads so slow that `workload_ms` would allow fewer.
        workload_ms: time one session may spend on the samples of one workload; decides between the two.
        sample_ms: how long one sample should take; as many calls as fit, at least one.
        most_calls: calls in one sample at most: every call needs inputs of its own.
        warmup_calls: calls of each workload in a fresh worker before anything is timed.
        min_effect: smallest effect worth a claim, as a fraction; stops the search early on both sides.
        question: whether a win is looked for, or a loss is to be shut out; see `harness.timing.sequential.why_stop`.
        sessions_per_server: sessions forked from one fork server before it is started anew. Sessions of one server
            share its memory layout and its luck: in A/A runs of a 2 ms pure Python operation with 8 a server, the
            variance of the servers' means was 1.5 to 3.5 times that of independent sessions. With 1 the interval
            is honest; with more it is had sooner, and too narrow.
        patience_seconds: how long one request may take beyond 20 times what the base takes, before it is ended.
    """

    looks: list[int] = Field(default=[8, 16, 24], min_length=1)
    alpha: float = Field(default=0.022, gt=0, lt=1)
    pairs: int = Field(default=10, ge=2)
    min_pairs: int = Field(default=4, ge=2)
    workload_ms: float = Field(default=80.0, gt=0)
    sample_ms: float = Field(default=2.0, gt=0)
    most_calls: int = Field(default=64, ge=1)
    warmup_calls: int = Field(default=2, ge=1)
    min_effect: float = Field(default=0.02, ge=0, lt=1)
    question: Question = "faster"
    sessions_per_server: int = Field(default=1, ge=1)
    patience_seconds: float = Field(default=60.0, gt=0)

    def on_gpu(self, mode: str) -> Protocol:
        """The protocol as it is used on a GPU: a session costs seconds to start, a sample next to nothing.

        Samples are longer, so that the referee's own jitter (some 50 us) is lost in them, and there are more of
        them. The host side of a call, which `latency` sees, takes some twenty calls to settle in a new process;
        `device` does not see it, so that its sessions can share a server.
        """
        longer: dict[str, float] = {"sample_ms": max(self.sample_ms, 5.0)}
        if mode == "device":
            longer |= {"workload_ms": max(self.workload_ms, 200.0), "pairs": max(self.pairs, 16)}
            longer |= {"sessions_per_server": self.looks[-1]}
        else:
            longer |= {"workload_ms": max(self.workload_ms, 120.0), "warmup_calls": max(self.warmup_calls, 20)}
            longer |= {"most_calls": min(self.most_calls, 32)}
        return self.model_copy(update=longer)

    @model_validator(mode="after")
    def _looks_ascend(self) -> Protocol:
        if self.looks[0] < 1 or any(a >= b for a, b in zip(self.looks, self.looks[1:], strict=False)):
            raise ValueError(f"looks must be positive and ascending (found {self.looks})")
        return self


ADVISORY = Protocol(looks=[6], alpha=0.05, pairs=8, sessions_per_server=3)
"""A first impression in seconds, for the agent at work: one look, and an interval somewhat too narrow."""


class Command(Record):
    """One program that is timed whole, or by a number it prints.

    Attributes:
        name: the workload's name.
        held_out: whether the agent never sees it.
        arguments: program and arguments, run in the checkout; `{seed}` in one is a fresh number for every pair.
    """

    name: str
    held_out: bool = False
    arguments: list[str] = Field(min_length=1)


class CommandSpec(Record):
    """What `mode: command` times, and how its outputs are held against the base's; see `harness.task.Metric`.

    Attributes:
        commands: the workloads.
        number: a regular expression with a group `value`: what is compared is the last number it finds on standard
            output; None for the wall time of the whole process.
        unit: of that number: `ns`, `us`, `ms`, `s`, or anything else.
        higher_is_better: whether the number is a rate: its reciprocal is what is made smaller.
        compare: `stdout` (whole, the number masked), `regex` (all that `pattern` finds in it) or `none`.
        pattern: for `compare: regex`.
        check: program and arguments that look at an output on their own; None for none.
        readable: files beside the checkout that the commands need: scripts of the task's.
    """

    commands: list[Command] = Field(min_length=1)
    number: str | None = None
    unit: str = "s"
    higher_is_better: bool = False
    compare: Literal["stdout", "regex", "none"] = "stdout"
    pattern: str | None = None
    check: list[str] | None = None
    readable: list[str] = Field(default_factory=list)


class MeasureJob(Record):
    """A measurement of one candidate tree against one base tree.

    `base_root` and `candidate_root` are checkouts; equal paths make an A/A measurement. `seed` is the
    parent's secret: inputs are made from it, and it never reaches a worker. `scratch` is a folder for what
    workers write (home, temporary files, caches, standard error); it is made if it is not there, and what a
    measurement puts into it is removed when it ends. `candidate_repeats` makes the candidate's arm do every call so
    many times over: a slowdown of known size, to see whether it comes back (`harness.known_effect`). The
    `_slowdown`s do the same by a fraction of a call, 0.05 for 5 %: see `Bench.slowed_call_source`. `command` is what
    the mode `command` times; it has neither bench nor api, and those two are empty then. `cache: cold` (on a GPU, in
    mode `latency`) empties the L2 cache ahead of every call. `workloads` names those of the bench that count, all where
    it is empty. `sandbox` is the run's: workers get the strongest that leaves them visible from outside
    (`harness.sandbox.workers`), or none where the run has none; `kept_out` they are not to see wherever it lies
    (`harness.sandbox.withheld`).
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
    cache: Literal["warm", "cold"] = "warm"
    candidate_repeats: int = Field(default=1, ge=1)
    base_slowdown: float = Field(default=0.0, ge=0)
    candidate_slowdown: float = Field(default=0.0, ge=0)
    command: CommandSpec | None = None
    workloads: list[str] = Field(default_factory=list)
    sandbox: str = "auto"
    kept_out: list[str] = Field(default_factory=list)


class RefereeRequest(Record):
    """What the referee process reads on its standard input: time the candidate, check it, profile it, or none of it.

    `describe` starts no worker: it lists the bench's workloads.
    """

    kind: Literal["measure", "check", "profile", "describe"]
    job: MeasureJob
    random_cases: int = 0


class Sample(Record):
    """One pair of samples: microseconds a call, base and candidate, taken one after the other.

    `base_us` and `candidate_us` are the referee's clock, less the round trip of an empty request. The
    `_worker_us` are what the workers say themselves: cross-checks, used for no result.
    """

    session: int
    workload: str
    base_us: float
    candidate_us: float
    candidate_first: bool
    calls: int
    base_worker_us: float
    candidate_worker_us: float


class Progress(Record):
    """Where a measurement stands: sent after every session.

    The interval is the one of the next look's level where there are sessions enough for it, else the widest.
    """

    sessions: int
    most_sessions: int
    speedup: Interval


class Measurement(Record):
    """A finished measurement.

    Attributes:
        speedup: geometric mean over workloads, base time / candidate time, with its 95 % interval.
        workloads: each workload's own; their intervals have the same level each, not all together.
        samples: every pair, in the order they were taken.
        sessions: fresh process pairs timed.
        stopped: why it ended: `decided` (the interval cleared min_effect), `futile` (it cannot any more), `exhausted`.
        look_level: the interval's confidence at the look it was taken at. With k looks each at the protocol's
            alpha it is more than 95 %, and just as much more as makes it 95 % whenever the looking stopped.
        repeated_inputs: workloads whose inputs came out equal for different seeds; a candidate that remembers
            what it has seen would gain there.
        device: the machine.
        seconds: wall time of the whole measurement.
        worker_sandbox: what confined the timed processes; `none` where nothing did.
        graph_safe: in mode `device`, whether both arms could be captured into CUDA graphs and were timed by replay;
            if not, both were timed call after call, as in mode `throughput`. None in other modes.
        not_captured: whose calls could not be captured, on which workload, and why.
        gpu: what was recorded about the GPU; None on a CPU.
        flags: sentences about what could not be made sure of; they belong beside the number wherever it goes.
    """

    speedup: Interval
    workloads: list[WorkloadResult]
    samples: list[Sample]
    sessions: int
    stopped: Literal["decided", "futile", "exhausted"]
    look_level: float
    repeated_inputs: list[str]
    device: Device
    seconds: float
    worker_sandbox: str = "none"
    graph_safe: bool | None = None
    not_captured: list[NotCaptured] = Field(default_factory=list)
    gpu: GpuEvidence | None = None
    flags: list[str] = Field(default_factory=list)


class WrongOutput(Record):
    """The candidate's outputs are wrong: `where` names workload and element, `detail` expected and found."""

    workload: str
    held_out: bool
    detail: str


RefusalCause = Literal[
    "import_failed",
    "call_raised",
    "worker_crashed",
    "worker_timeout",
    "protocol_violation",
    "clock_mismatch",
    "background_work",
    "patch_not_in_effect",
]


class Refusal(Record):
    """The candidate could not be timed, or its timing cannot be believed, through its own doing.

    Attributes:
        cause: `import_failed`, `call_raised` (an exception), `worker_crashed` (it ended), `worker_timeout`
            (it was ended), `protocol_violation` (something else than a reply came back), `clock_mismatch` (what
            it says it took is not what it took), `background_work` (it worked on while it should have been idle),
            `patch_not_in_effect` (something else than the tree was imported: nobody's cheat, and no verdict).
        message: for people: the last lines of a traceback, or the numbers that disagree.
        workload: where it happened; None before the first.
        held_out: whether that workload is one the agent must not hear of.
    """

    cause: RefusalCause
    message: str
    workload: str | None = None
    held_out: bool = False

    @property
    def status(self) -> Status:
        """The verdict's status: a candidate that fails is incorrect, one that cannot be believed is rejected."""
        if self.cause == "patch_not_in_effect":
            return "infra_failed"
        cheats = ("protocol_violation", "clock_mismatch", "background_work")
        return "rejected" if self.cause in cheats else "incorrect"


class Failed(Record):
    """The referee could not judge, and it is not the candidate's doing; the client raises it as an exception.

    Attributes:
        error: name of the exception in `harness.errors`.
        message: its message.
        remedy: its remedy.
    """

    error: Literal["TaskError", "AdmissionError", "InfrastructureError"]
    message: str
    remedy: str | None = None


class RefereeLine(Record):
    """One line of the referee's output: exactly one field is set; all but `progress` and `waiting` end it.

    `waiting` is a sentence about what is waited for: another measurement's lease on the GPU, or its falling idle.
    """

    progress: Progress | None = None
    waiting: str | None = None
    measurement: Measurement | None = None
    wrong_output: WrongOutput | None = None
    refused: Refusal | None = None
    failed: Failed | None = None
    correct: bool | None = None
    profile: str | None = None
    workloads: list[Workload] | None = None
