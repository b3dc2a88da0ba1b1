"""What happens in a run, as it happens: typed events, one JSON object a line.

The journal keeps them, `--json` prints them, the live display draws them. Whoever adds a kind of event adds
a class here and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from harness.timing.measurement import Progress
from harness.verdict import Device, NoiseFloor, Record, Verdict

Step = Literal["seal", "build", "tests", "noise", "known_effect"]
Phase = Literal["worktree", "agent", "diff", "policy", "build", "tests", "timing", "confirmation"]


def now() -> str:
    """The time as events and records carry it: UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RunStarted(Record):
    """The first event. Everything a later reader needs to know what was run.

    `attempts` are the agent's; `controls` are judged beside them: placebos, and the task's reference patch.
    """

    event: Literal["run_started"] = "run_started"
    at: str
    run: str
    task: str
    task_file: str
    agent: str
    model: str | None
    agent_version: str | None = None
    attempts: int
    controls: int = 0
    base_commit: str
    base_tree: str
    harness_version: str
    note: str | None = None


class AdmissionStep(Record):
    """One check of the base before any attempt: it builds, its tests pass, it can be timed, a slowdown is seen.

    `node` is the machine of a cluster; None for the one that the run was started on.
    """

    event: Literal["admission_step"] = "admission_step"
    at: str
    step: Step
    state: Literal["started", "passed"]
    detail: str = ""
    progress: Progress | None = None
    node: str | None = None


class Admitted(Record):
    """The base may be worked on. `noise` is its A/A interval on this machine, or on the cluster's `node`."""

    event: Literal["admitted"] = "admitted"
    at: str
    noise: NoiseFloor
    expected_tests: int
    node: str | None = None


class NodeJoined(Record):
    """A node of a cluster works for the run: what it measures on, and what confines commands there."""

    event: Literal["node_joined"] = "node_joined"
    at: str
    node: str
    device: Device
    sandbox: str


class NodeLeft(Record):
    """A node of a cluster does not work for the run, or does no longer, and why."""

    event: Literal["node_left"] = "node_left"
    at: str
    node: str
    why: str


class AttemptBriefed(Record):
    """The strategy decided what an attempt is told, ahead of its start; see `harness.brief.Brief`."""

    event: Literal["attempt_briefed"] = "attempt_briefed"
    at: str
    attempt: str
    strategy: str
    kind: str
    parents: list[str] = Field(default_factory=list)
    start_from: str | None = None
    island: int | None = None
    hints: list[str] = Field(default_factory=list)


class AttemptStarted(Record):
    """An attempt has a name; its worktree comes next. `node` is where, in a cluster."""

    event: Literal["attempt_started"] = "attempt_started"
    at: str
    attempt: str
    node: str | None = None


class PhaseStarted(Record):
    """An attempt moved on."""

    event: Literal["phase_started"] = "phase_started"
    at: str
    attempt: str
    phase: Phase


class AgentStep(Record):
    """The agent began a step: a model call's tool, in a few words."""

    event: Literal["agent_step"] = "agent_step"
    at: str
    attempt: str
    step: int
    tool: str
    detail: str


class AgentNotice(Record):
    """The agent has something to tell whoever watches, of several lines: where a person finds the worktree, say."""

    event: Literal["agent_notice"] = "agent_notice"
    at: str
    attempt: str
    text: str


class AttemptWaiting(Record):
    """An attempt has waited for a while to measure, or for a measurement to end; or, where `over`, goes on now."""

    event: Literal["attempt_waiting"] = "attempt_waiting"
    at: str
    attempt: str
    over: bool = False


class TimingProgress(Record):
    """A session of a measurement is over. Not journalled: the display's business."""

    event: Literal["timing_progress"] = "timing_progress"
    at: str
    attempt: str
    phase: Phase
    progress: Progress


class AttemptRetried(Record):
    """A try came to nothing through no fault of the agent's: the attempt starts over after a pause."""

    event: Literal["attempt_retried"] = "attempt_retried"
    at: str
    attempt: str
    tries: int
    cause: str
    message: str
    pause_seconds: float


class AttemptFinished(Record):
    """An attempt has its verdict."""

    event: Literal["attempt_finished"] = "attempt_finished"
    at: str
    attempt: str
    verdict: Verdict


class RunResumed(Record):
    """Somebody went on with the run. `attempts` are planned in all, controls included; `finished` have verdicts.

    `forced` names what had changed since the run began and was put up with.
    """

    event: Literal["run_resumed"] = "run_resumed"
    at: str
    run: str
    attempts: int
    finished: int
    forced: list[str] = Field(default_factory=list)
    harness_version: str


class RunFinished(Record):
    """The last event of a run that ended by itself or was told to.

    `budget` says which of the run's own limits ended it before its attempts did.
    """

    event: Literal["run_finished"] = "run_finished"
    at: str
    run: str
    attempts: list[Verdict]
    interrupted: bool = False
    error: str | None = None
    budget: str | None = None


Event = (
    RunStarted
    | AdmissionStep
    | Admitted
    | AttemptBriefed
    | NodeJoined
    | NodeLeft
    | AttemptStarted
    | PhaseStarted
    | AgentStep
    | AgentNotice
    | AttemptWaiting
    | TimingProgress
    | AttemptRetried
    | AttemptFinished
    | RunResumed
    | RunFinished
)
EventAdapter: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])

Emit = Callable[[Event], None]
