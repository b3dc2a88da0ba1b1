"""Judging one patch: a fresh checkout, the patch applied whole, built, tested, checked, timed, confirmed.

Nothing the agent touched is used but the patch's bytes. The order is from cheap to dear, and the first
thing that is wrong ends it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.admission import RANDOM_CASES, Base, explain, job_for
from harness.artefacts import refuse_unseen_files, require_in_effect
from harness.build import build
from harness.built_tree import BuiltTree
from harness.correctness import require_all, run_tests
from harness.errors import AttemptEnded, Incorrect, InfraFailed, InfrastructureError, Rejected, Status
from harness.events import Phase
from harness.journal import strict_json
from harness.patch import Patch, apply, hold_against_policy, take_diff
from harness.policy import added_findings, require_honest
from harness.public_api import require_unbroken_api
from harness.store import AttemptFolder, write_atomic
from harness.task import LoadedTask
from harness.timing.client import check_outputs, measure
from harness.timing.measurement import MeasureJob, Measurement, Progress, Protocol, Refusal, WrongOutput
from harness.trusted import TrustedFiles
from harness.verdict import Finding, Interval, PatchStats, TimingEvidence, WorkloadResult
from harness.worktree import remove_folder

OnPhase = Callable[[Phase], None]
OnProgress = Callable[[Phase, Progress], None]


@dataclass
class Judgement:
    """What judging came to; filled from top to bottom, so that an early end keeps what was known by then."""

    status: Status = "infra_failed"
    cause: str | None = None
    message: str = ""
    patch: PatchStats | None = None
    findings: list[Finding] = field(default_factory=list)
    speedup: Interval | None = None
    workloads: list[WorkloadResult] | None = None
    timing: TimingEvidence | None = None


@dataclass(frozen=True)
class Judge:
    """Judges patches of one task against one admitted base.

    Attributes:
        loaded: the task.
        base: the base, admitted on this machine in this run.
        seed: the run's secret; inputs are derived from it and it never reaches a process with patched code.
        workspace: a folder for checkouts and scratch, ours to delete.
        protocol: how long and how hard to look; `min_effect` is set by the task and the machine's noise.
        floor: the machine's noise floor by its calibration, as a fraction; 0 where it has none.
    """

    loaded: LoadedTask
    base: Base
    seed: int
    workspace: Path
    protocol: Protocol = field(default_factory=Protocol)
    floor: float = 0.0

    def judge(self, patch_file: Path, folder: AttemptFolder, on_phase: OnPhase, on_progress: OnProgress) -> Judgement:
        """Judge the patch in `patch_file`; evidence goes to `folder`. Every end is a Judgement."""
        judgement = Judgement()
        space = self.workspace / f"judge-{folder.path.name}"
        try:
            self._judge(patch_file, folder, space, judgement, on_phase, on_progress)
        except AttemptEnded as end:
            judgement.status, judgement.cause, judgement.message = end.status, end.cause, end.message
        except InfrastructureError as error:
            judgement.status, judgement.cause, judgement.message = "infra_failed", "infrastructure", str(error)
        finally:
            remove_folder(space)
        return judgement

    def _judge(
        self,
        patch_file: Path,
        folder: AttemptFolder,
        space: Path,
        judgement: Judgement,
        on_phase: OnPhase,
        on_progress: OnProgress,
    ) -> None:
        task = self.loaded.task
        checkout = space / "checkout"
        scratch = space / "scratch"
        scratch.mkdir(parents=True)
        trusted = TrustedFiles(self.loaded)

        on_phase("policy")
        patch = self._apply_whole(patch_file, checkout)
        judgement.patch = stats(patch, folder)
        refuse_unseen_files(self.base.repository, checkout)
        hold_against_policy(patch, task.target_files)
        judgement.findings = added_findings(self.base.root, checkout, patch.files)
        require_honest(judgement.findings)
        if task.api is not None:
            require_unbroken_api(task.api, self.base.root, checkout)

        on_phase("build")
        build(task.build, checkout, scratch / "build", folder.build_log)
        require_in_effect(self.base.repository, task.build, self.base.root, checkout, patch, scratch)
        built = BuiltTree(checkout)

        on_phase("tests")
        report = run_tests(self.loaded, checkout, scratch / "tests", folder.tests, hidden=True)
        trusted.require_unchanged()
        job = job_for(
            self.loaded,
            self.base.root,
            checkout,
            scratch / "oracle",
            device=self.base.device,
            seed=self._seed(patch, "oracle"),
            held_out=True,
            protocol=self.protocol,
        )
        try:
            require_all(self.base.expected, report)
        except Incorrect as failure:
            raise _with_workload(failure, job) from failure
        built.require_unchanged()
        wrong = check_outputs(job, random_cases=RANDOM_CASES)
        built.require_unchanged()
        if wrong is not None:
            raise _ending(wrong)

        on_phase("timing")
        selection = self._measure(patch, checkout, scratch, "timing", on_progress)
        built.require_unchanged()
        min_effect = self.min_effect
        confirmation: Measurement | None = None
        if selection.speedup.low > 1 + min_effect:
            # The best of many looks lucky more often than not: a win counts only if it comes back.
            on_phase("confirmation")
            confirmation = self._measure(patch, checkout, scratch, "confirmation", on_progress)
            built.require_unchanged()
        trusted.require_unchanged()
        published = confirmation or selection
        judgement.speedup, judgement.workloads = published.speedup, published.workloads
        judgement.timing = TimingEvidence(
            selection=selection.speedup,
            confirmation=None if confirmation is None else confirmation.speedup,
            sessions=selection.sessions + (confirmation.sessions if confirmation else 0),
            min_effect=min_effect,
            noise=self.base.noise,
            flags=published.flags,
            worker_sandbox=published.worker_sandbox,
        )
        self._keep_samples(folder, selection, confirmation)
        judgement.status, judgement.cause, judgement.message = conclude(published, min_effect, confirmed=confirmation)

    @property
    def min_effect(self) -> float:
        """The smallest effect that is claimed: the task's, or the machine's own noise where that is larger."""
        noise = self.base.noise.speedup
        return max(self.loaded.task.min_effect, noise.high - 1, 1 - noise.low, self.floor)

    def _apply_whole(self, patch_file: Path, checkout: Path) -> Patch:
        """A fresh checkout with the patch in it; what comes back is what really changed there."""
        repository = self.base.repository
        repository.check_out(checkout)
        if patch_file.read_bytes().strip():
            apply(repository, patch_file, checkout)
        return take_diff(repository, checkout)

    def _measure(
        self, patch: Patch, checkout: Path, scratch: Path, phase: Phase, on_progress: OnProgress
    ) -> Measurement:
        if not self.base.repository.is_unchanged(self.base.root):
            raise InfraFailed(
                "base_changed", "The base's checkout was changed while the run lasted: nothing to time against."
            )
        protocol = self.protocol.model_copy(update={"min_effect": self.min_effect})
        job = job_for(
            self.loaded,
            self.base.root,
            checkout,
            scratch / phase,
            device=self.base.device,
            seed=self._seed(patch, phase),
            held_out=True,
            protocol=protocol,
        )
        result = measure(job, lambda progress: on_progress(phase, progress))
        if not isinstance(result, Measurement):
            raise _ending(result)
        return result

    def _seed(self, patch: Patch, purpose: str) -> int:
        """A seed of its own for every purpose, unknown to whoever does not know the run's."""
        text = f"{self.seed}:{patch.sha256}:{purpose}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")

    @staticmethod
    def _keep_samples(folder: AttemptFolder, selection: Measurement, confirmation: Measurement | None) -> None:
        kept = {
            "selection": selection.model_dump(),
            "confirmation": None if confirmation is None else confirmation.model_dump(),
        }
        write_atomic(folder.samples, strict_json(kept) + "\n")


def stats(patch: Patch, folder: AttemptFolder) -> PatchStats:
    """The patch's record for a verdict."""
    return PatchStats(
        path=f"{folder.path.name}/{folder.patch.name}",
        sha256=patch.sha256,
        files=patch.files,
        insertions=patch.insertions,
        deletions=patch.deletions,
    )


def conclude(
    published: Measurement, min_effect: float, *, confirmed: Measurement | None
) -> tuple[Status, str | None, str]:
    """Status, cause and sentence for a measured patch."""
    speedup = published.speedup
    interval = f"{speedup.estimate:.2f}x [{speedup.low:.2f}, {speedup.high:.2f}]"
    worst = min(published.workloads, key=lambda result: result.speedup.estimate)
    if confirmed is not None and speedup.low > 1 + min_effect:
        tail = f"; slowest workload {worst.name} at {worst.speedup.estimate:.2f}x"
        return "faster", None, f"{interval} as fast as the base, confirmed in fresh processes{tail}."
    if confirmed is not None:
        return "same", "not_confirmed", f"A first look said faster; measured once more it is {interval}."
    if speedup.high < 1 - min_effect:
        return "slower", None, f"{interval} as fast as the base: slower."
    return (
        "same",
        "within_noise",
        f"No difference worth a claim: {interval}, and less than {min_effect:.1%} is noise here.",
    )


def _with_workload(failure: Incorrect, job: MeasureJob) -> Incorrect:
    """A failed test says what is broken in its own words; the bench names a workload and an element, if it can."""
    if failure.cause != "test_failed":
        return failure
    wrong = check_outputs(job, random_cases=0)
    if not isinstance(wrong, WrongOutput):
        return failure
    return Incorrect(failure.cause, f"{failure.message} On the bench, {explain(wrong)}")


def _ending(problem: WrongOutput | Refusal) -> AttemptEnded:
    if isinstance(problem, WrongOutput):
        return Incorrect("wrong_output", explain(problem))
    where = f"workload {problem.workload}: " if problem.workload else ""
    kinds: dict[Status, type[AttemptEnded]] = {"rejected": Rejected, "infra_failed": InfraFailed}
    return kinds.get(problem.status, Incorrect)(problem.cause, f"{where}{problem.message}")
