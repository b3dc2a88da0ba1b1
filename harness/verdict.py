"""What judging a patch ends in: the Verdict, and the small records it is made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import Status

Severity = Literal["review", "reject"]
# Agents that are there to check the harness or to compare with, and compete with nobody.
PLACEBO = "placebo"
REFERENCE = "reference"
CONTROLS = (PLACEBO, REFERENCE)
# The strategy whose attempts know nothing of each other.
INDEPENDENT = "best-of-n"
# The cause of a verdict that stands for no judgement: a session brought in from elsewhere (`harness import`).
NOT_JUDGED = "not_judged"


class Record(BaseModel):
    """Base of everything written to disk: immutable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Record):
    """A ratio of times with its confidence interval: `speedup` = base time / candidate time, no unit.

    `low` and `high` are the ends of a 95 % interval unless the record that holds it says otherwise.
    """

    estimate: float
    low: float
    high: float


class WorkloadResult(Record):
    """One workload's times in microseconds a call (medians over sessions) and their ratio.

    `floor_us` is its roofline, the bytes it cannot do without over the device's datasheet bandwidth; None where
    either is not known.
    """

    name: str
    held_out: bool
    base_us: float
    candidate_us: float
    speedup: Interval
    floor_us: float | None = None


class PatchStats(Record):
    """The patch that was judged. `path` is relative to the run's folder where there is one."""

    path: str
    sha256: str
    files: list[str]
    insertions: int
    deletions: int


class Device(Record):
    """The machine the timing ran on. `kind` is `cpu` or `cuda`; two verdicts compare only on equal `name`s.

    `multiprocessors` and the size of the level-2 cache, in MiB, are a GPU's; None on a CPU. `node` is the machine's
    name in a cluster; None for the machine that the run was started on.
    """

    kind: str
    name: str
    cores: int
    memory_gb: float
    platform: str
    versions: dict[str, str]
    multiprocessors: int | None = None
    l2_mb: float | None = None
    node: str | None = None


class Tokens(Record):
    """Model tokens, as the provider billed them.

    `estimated` of `input` and `output` together are our own estimate: the provider never said what it bills.
    """

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: int = 0


class Cost(Record):
    """What the agent used up. `usd` is None when the price is unknown, 0 when no model was called."""

    steps: int = 0
    tokens: Tokens = Field(default_factory=Tokens)
    usd: float | None = 0.0
    seconds: float = 0.0


class NoiseFloor(Record):
    """The machine's A/A noise: base against base through the same protocol."""

    speedup: Interval
    sessions: int


class TimingEvidence(Record):
    """How the published number came about: what was looked at first, and what confirmed it.

    Attributes:
        selection: the first measurement's.
        confirmation: the second's, in fresh processes and with new seeds; None where there was no win to confirm.
        sessions: fresh process pairs, both measurements together.
        min_effect: the smallest effect that was claimed, as a fraction.
        noise: base against base.
        adjusted: of a run's best attempt, the interval that allows for its having been picked (`harness.selection`).
        chosen_from: how many attempts it was picked from.
        flags: what the measurement could not make sure of, a sentence each.
        worker_sandbox: what confined the timed processes; the verdict's `sandbox` confined everything else.
    """

    selection: Interval
    confirmation: Interval | None
    sessions: int
    min_effect: float
    noise: NoiseFloor | None
    adjusted: Interval | None = None
    chosen_from: int = 1
    flags: list[str] = Field(default_factory=list)
    worker_sandbox: str = "none"


class Finding(Record):
    """Something in a patch that a reader should look at.

    Attributes:
        rule: the tripwire's name, see `harness/policy/rules.py`.
        severity: `reject` proves cheating; `review` changes nothing by itself.
        file: path in the target.
        line: in the patched file.
        message: one sentence.
    """

    rule: str
    severity: Severity
    file: str
    line: int
    message: str


class Verdict(Record):
    """The judgement of one patch. `speedup` is base time / patched time over all workloads (geometric mean).

    `incorrect`, `rejected` and `build_failed` count as 1.0x in any mean over attempts; `infra_failed` is
    not counted. `speedup` is None where nothing was timed. `origin` says where a session came from that was
    replayed or imported; None for one that happened here. `tree` is which tree of the agent's was judged: the one
    it left, or, where a limit or a lost model ended it in the middle, the best it had measured. `strategy` is the
    search that told the attempt where to begin; None where it had no brief.
    """

    run: str | None
    attempt: str | None
    task: str
    agent: str
    model: str | None
    agent_version: str | None = None
    status: Status
    cause: str | None
    message: str
    speedup: Interval | None = None
    workloads: list[WorkloadResult] = Field(default_factory=list)
    timing: TimingEvidence | None = None
    patch: PatchStats | None = None
    findings: list[Finding] = Field(default_factory=list)
    base_commit: str
    tree: Literal["left", "best_measured"] = "left"
    device: Device | None = None
    sandbox: str
    cost: Cost = Field(default_factory=Cost)
    harness_version: str
    finished_at: str
    origin: str | None = None
    strategy: str | None = None

    @property
    def entrant(self) -> str:
        """Who competes on a board: the agent, and the search it was part of where attempts go on from each other.

        Most attempts of such a search begin with a win: beside independent attempts of the same agent their rate and
        their mean would say something else.
        """
        return self.agent if self.strategy in (None, INDEPENDENT) else f"{self.agent} ({self.strategy})"

    @property
    def was_judged(self) -> bool:
        """False for a session that was brought in from elsewhere: it is shown, and counts on no board."""
        return self.cause != NOT_JUDGED

    @property
    def is_control(self) -> bool:
        """Whether this is a placebo or the task's reference patch: shown, and never ranked."""
        return self.agent in CONTROLS

    @property
    def published(self) -> Interval | None:
        """What may be said of it by itself: of a run's best attempt, the interval that allows for its being picked."""
        adjusted = self.timing.adjusted if self.timing is not None else None
        return adjusted or self.speedup

    @property
    def counted_speedup(self) -> float | None:
        """What this attempt adds to a mean: its estimate, 1.0 for anything that earned none, None if not counted."""
        if self.status == "infra_failed":
            return None
        if self.status in ("faster", "slower", "same") and self.speedup is not None:
            return self.speedup.estimate
        return 1.0
