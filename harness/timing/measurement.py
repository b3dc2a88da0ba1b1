"""What a measurement gives back, line by line. Everything here crosses a process border as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.errors import Status
from harness.timing.gpu_records import GpuEvidence, NotCaptured
from harness.timing.job import Workload
from harness.verdict import Device, Interval, Record, WorkloadResult


class Sample(Record):
    """One pair of samples: microseconds a call, base and candidate, taken one after the other.

    `base_us` and `candidate_us` are the referee's clock, less the round trip of an empty request. The
    `_worker_us` are what the workers say themselves: cross-checks, used for no result. `coarseness` is how far the
    logarithm of base / candidate may be off because a program prints its number rounded; 0 for what a clock reads.
    """

    session: int
    workload: str
    base_us: float
    candidate_us: float
    candidate_first: bool
    calls: int
    base_worker_us: float
    candidate_worker_us: float
    coarseness: float = 0.0


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
