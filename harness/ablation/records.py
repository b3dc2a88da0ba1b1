"""What `harness ablate` finds, as it is written to `ablation.json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.ablation.parts import By, Part
from harness.errors import Status
from harness.plan import Admission
from harness.verdict import Interval, Record, WorkloadResult

FORMAT = 1
Purpose = Literal["leave_one_out", "drop", "confirm"]
Outcome = Literal["carries", "no_difference", "undetermined", "needed", "not_judged"]


class Loss(Record):
    """What leaving something out costs: `ratio` is the whole patch's time / the variant's, below 1 where it is slower.

    Attributes:
        ratio: over all workloads (geometric mean), with an interval that holds for all parts together.
        worst: the workload that loses most.
        worst_ratio: the same for it, its interval widened for the number of workloads as well.
    """

    ratio: Interval
    worst: str
    worst_ratio: Interval


class Trial(Record):
    """The patch without some of its parts, judged once against the whole patch.

    Attributes:
        left_out: names of the parts, sorted.
        purpose: why it was tried.
        number: of its folder below `ablation/trials`.
        status: `timed`, or how it ended before it could be.
        cause, message: of such an end.
        loss: None where it was not timed.
        sessions: fresh pairs of processes that were timed.
        seconds: wall time, build and tests included.
    """

    left_out: list[str]
    purpose: Purpose
    number: int
    status: Literal["timed"] | Status
    cause: str | None = None
    message: str = ""
    loss: Loss | None = None
    sessions: int = 0
    seconds: float


class PartFinding(Record):
    """What a part is worth.

    Attributes:
        part: it.
        outcome: `carries` (without it the patch is slower), `no_difference` (a loss worth a claim is shut out),
            `undetermined` (neither could be shown), `needed` (without it the patch is no longer correct),
            `not_judged` (the infrastructure failed).
        sentence: the same for people.
        loss: what leaving it out alone costs.
        share: of the gain over the base, on the scale of logarithms, where times add up: 0.4 is 40 %. Shares of parts
            that work together do not add up to 1.
        kept: whether it is in the smallest patch.
    """

    part: Part
    outcome: Outcome
    sentence: str
    loss: Loss | None = None
    share: Interval | None = None
    kept: bool = True


class Whole(Record):
    """The whole patch, judged anew before it is taken apart: over the base, in microseconds a call and ratios."""

    speedup: Interval
    workloads: list[WorkloadResult]
    seconds_to_prepare: float
    seconds_a_session: float


class Smallest(Record):
    """The smallest patch that keeps the gain.

    Attributes:
        left_out: names of the parts that are not in it; empty where it is the whole patch.
        insertions, deletions: its lines.
        sha256: of the diff.
        path: of the diff, beside this record.
        against_whole: the whole patch's time / its own, confirmed in fresh processes; None for the whole patch itself.
        speedup: over the base, confirmed in fresh processes.
    """

    left_out: list[str]
    insertions: int
    deletions: int
    sha256: str
    path: str
    against_whole: Interval | None
    speedup: Interval


class Ablation(Record):
    """All of it. `smallest` is None as long as it is not over; what is written by then is gone on with.

    Attributes:
        format: of this file.
        patch: where the patch came from: RUN/ATTEMPT or a file.
        task: the task's name.
        by: what the parts are.
        sha256: of the whole patch as git writes it against the base.
        base_commit: of the base.
        made_of: digests of what the findings rest on.
        min_effect: the smallest loss that is worth a claim, as a fraction; None before the base is admitted.
        limit: the most variants that are tried.
        admission: what admitting the base found.
        whole: the whole patch; None before it is judged.
        trials: in the order in which they were made.
        findings: a part each; empty until every part has been left out once.
        smallest: see above.
        limit_reached: whether the search ended at the limit.
        notes: what else a reader should know, a sentence each.
    """

    format: int = FORMAT
    patch: str
    task: str
    by: By
    sha256: str
    base_commit: str
    made_of: dict[str, str]
    min_effect: float | None = None
    limit: int
    parts: list[Part]
    admission: Admission | None = None
    whole: Whole | None = None
    trials: list[Trial] = Field(default_factory=list)
    findings: list[PartFinding] = Field(default_factory=list)
    smallest: Smallest | None = None
    limit_reached: bool = False
    notes: list[str] = Field(default_factory=list)
