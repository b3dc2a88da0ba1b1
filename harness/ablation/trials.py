"""One trial: the patch without some of its parts, judged like any patch but timed against the whole one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from harness.ablation.loss import loss_of, loss_protocol
from harness.ablation.parts import DividedPatch
from harness.ablation.records import Purpose, Trial
from harness.admission import job_for
from harness.conclusions import ending
from harness.errors import AttemptEnded, InfrastructureError, Rejected
from harness.evaluate import Candidate, Judge, Judgement
from harness.store import AttemptFolder
from harness.strict_json import strict_json
from harness.timing.client import measure
from harness.timing.measurement import Measurement
from harness.whole_file import write_atomic
from harness.worktree import remove_folder

TRIALS = "trials"


@dataclass(frozen=True)
class Laboratory:
    """Where trials are made.

    Attributes:
        judge: who judges.
        divided: the patch and its parts.
        whole: the whole patch's tree, built and correct: what variants are timed against.
        workloads: how many there are.
        evidence: the folder for diffs, logs and raw samples.
        space: a folder for checkouts, ours to delete.
    """

    judge: Judge
    divided: DividedPatch
    whole: Candidate
    workloads: int
    evidence: Path
    space: Path

    def attempt(self, left_out: frozenset[str], purpose: Purpose, number: int, comparisons: int) -> Trial:
        """Judge the patch without some of its parts.

        Args:
            left_out: names of the parts.
            purpose: why it is tried.
            number: of the trial's folder.
            comparisons: intervals that are to hold together with this one.

        Raises:
            InfrastructureError: the whole patch's tree has changed: there is nothing to time against.
        """
        start = time.monotonic()
        folder = AttemptFolder(self.evidence / TRIALS / f"{number:03d}").create()
        write_atomic(folder.patch, self.divided.without(left_out).text)
        space = self.space / f"trial-{number}"
        sessions = 0
        trial = Trial(left_out=sorted(left_out), purpose=purpose, number=number, status="timed", seconds=0.0)
        try:
            candidate = self.judge.prepare(folder.patch, folder, space, Judgement(), lambda _phase: None)
            measured, alpha = self._measure(candidate, purpose, number, comparisons)
            candidate.built.require_unchanged()
            candidate.trusted.require_unchanged()
            write_atomic(folder.samples, strict_json(measured.model_dump()) + "\n")
            sessions = measured.sessions
            trial = trial.model_copy(update={"loss": loss_of(measured, alpha)})
        except AttemptEnded as end:
            trial = trial.model_copy(update={"status": end.status, "cause": end.cause, "message": end.message})
        except InfrastructureError as error:
            trial = trial.model_copy(
                update={"status": "infra_failed", "cause": "infrastructure", "message": str(error)}
            )
        finally:
            remove_folder(space)
        self.require_whole()
        return trial.model_copy(update={"sessions": sessions, "seconds": round(time.monotonic() - start, 2)})

    def require_whole(self) -> None:
        """Look at the whole patch's tree again.

        Raises:
            InfrastructureError: something in it has changed since it was built.
        """
        try:
            self.whole.built.require_unchanged()
        except Rejected as end:
            raise InfrastructureError(f"The whole patch's tree cannot be timed against any more: {end}") from end

    def _measure(
        self, candidate: Candidate, purpose: Purpose, number: int, comparisons: int
    ) -> tuple[Measurement, float]:
        protocol = loss_protocol(self.judge.protocol, comparisons, self.workloads, self.judge.min_effect)
        job = job_for(
            self.judge.loaded,
            self.whole.checkout,
            candidate.checkout,
            candidate.scratch / "timing",
            device=self.judge.base.device,
            seed=self.judge.seed_for(candidate.patch, f"ablate-{purpose}-{number}"),
            held_out=True,
            protocol=protocol,
        )
        result = measure(job, lambda _progress: None)
        if not isinstance(result, Measurement):
            raise ending(result)
        return result, protocol.alpha
