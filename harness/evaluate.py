"""Judging one patch: a fresh checkout, the patch applied whole, built, tested, checked, timed, confirmed.

Nothing the agent touched is used but the patch's bytes. The order is from cheap to dear, and the first
thing that is wrong ends it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.admission import RANDOM_CASES, Base, job_for
from harness.artefacts import refuse_unseen_files, require_in_effect
from harness.build import build
from harness.built_tree import BuiltTree
from harness.conclusions import conclude, ending, measure_twice, with_workload
from harness.correctness import require_all, run_tests
from harness.errors import AttemptEnded, Incorrect, InfraFailed, InfrastructureError, Status
from harness.events import Phase
from harness.noise import noise_of, require_quiet
from harness.patch import Patch, apply, hold_against_policy, take_diff
from harness.policy import added_findings, require_honest
from harness.public_api import require_unbroken_api
from harness.store import AttemptFolder
from harness.strict_json import strict_json
from harness.task import LoadedTask
from harness.text import without_middle
from harness.timing.client import check_outputs, measure
from harness.timing.job import Protocol
from harness.timing.measurement import Measurement, Progress
from harness.trusted import TrustedFiles
from harness.verdict import Finding, Interval, PatchStats, TimingEvidence, WorkloadResult
from harness.whole_file import write_atomic
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
class Candidate:
    """A patched tree that is built and correct: all that is left to do is to time it.

    Attributes:
        patch: what really changed in it.
        checkout: where it is.
        scratch: a private folder beside it.
        built: what it held when it was built.
        trusted: the task's own files as they were then.
    """

    patch: Patch
    checkout: Path
    scratch: Path
    built: BuiltTree
    trusted: TrustedFiles


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

    def __post_init__(self) -> None:
        """Refuse a machine that is too noisy to judge on, also where the base was admitted long ago."""
        require_quiet(self.base.noise, self.floor)

    def judge(self, patch_file: Path, folder: AttemptFolder, on_phase: OnPhase, on_progress: OnProgress) -> Judgement:
        """Judge the patch in `patch_file`; evidence goes to `folder`. Every end is a Judgement."""
        judgement = Judgement()
        space = self.workspace / f"judge-{folder.path.name}"
        try:
            self._judge(patch_file, folder, space, judgement, on_phase, on_progress)
        except AttemptEnded as end:
            # Names of tests and a build's last lines are the patch's, and may be megabytes.
            judgement.status, judgement.cause, judgement.message = end.status, end.cause, without_middle(end.message)
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
        candidate = self.prepare(patch_file, folder, space, judgement, on_phase)
        patch, checkout, scratch = candidate.patch, candidate.checkout, candidate.scratch

        def timed(phase: Phase) -> Measurement:
            on_phase(phase)
            measurement = self._measure(patch, checkout, scratch, phase, on_progress)
            candidate.built.require_unchanged()
            return measurement

        min_effect = self.min_effect
        selection, confirmation = measure_twice(timed, min_effect)
        candidate.trusted.require_unchanged()
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

    def prepare(
        self, patch_file: Path, folder: AttemptFolder, space: Path, judgement: Judgement, on_phase: OnPhase
    ) -> Candidate:
        """All of judging but the clock: the patch applied whole below `space`, built, tested and checked.

        Raises:
            AttemptEnded: it does not apply, is not allowed, does not build or is wrong; `judgement` has what was known.
        """
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
            seed=self.seed_for(patch, "oracle"),
            held_out=True,
            protocol=self.protocol,
        )
        try:
            require_all(self.base.expected, report)
        except Incorrect as failure:
            raise with_workload(failure, job) from failure
        built.require_unchanged()
        wrong = check_outputs(job, random_cases=RANDOM_CASES)
        built.require_unchanged()
        if wrong is not None:
            raise ending(wrong)
        return Candidate(patch, checkout, scratch, built, trusted)

    @property
    def min_effect(self) -> float:
        """The smallest effect that is claimed: the task's, or the machine's own noise where that is larger."""
        return max(self.loaded.task.min_effect, noise_of(self.base.noise), self.floor)

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
            seed=self.seed_for(patch, phase),
            held_out=True,
            protocol=protocol,
        )
        result = measure(job, lambda progress: on_progress(phase, progress))
        if not isinstance(result, Measurement):
            raise ending(result)
        return result

    def seed_for(self, patch: Patch, purpose: str) -> int:
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
