"""The agent's hands in a worktree: a shell, and the judge's own tests and clock on the shown workloads.

Implements `agent.workbench.Workbench`. Everything here is advice: the verdict comes from `evaluate.py`,
which uses none of it.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from agent.workbench import CommandResult, Report
from harness.admission import Base, explain, job_for
from harness.best_tree import BestTree
from harness.build import build
from harness.correctness import run_tests
from harness.errors import BuildFailed, InfrastructureError, Rejected
from harness.folders import delete_quietly
from harness.gates import waited_seconds
from harness.git import Repository
from harness.patch import matches, take_diff
from harness.sandbox import run_confined
from harness.task import LoadedTask
from harness.text import counted, interval_text
from harness.timing.client import check_outputs, measure, profile
from harness.timing.job import ADVISORY, MeasureJob
from harness.timing.measurement import Measurement, Progress, Refusal
from harness.waiting import watched, watcher

OUTPUT_BYTES = 20_000
P = ParamSpec("P")
R = TypeVar("R")


def _counting_waits(
    method: Callable[Concatenate[WorktreeBench, P], R],
) -> Callable[Concatenate[WorktreeBench, P], R]:
    """Tell of what a tool's call waits at the gate, and add it to `waited_seconds`."""

    @functools.wraps(method)
    def counted(bench: WorktreeBench, /, *args: P.args, **kwargs: P.kwargs) -> R:
        before = waited_seconds()
        try:
            with watched(bench.watcher):
                return method(bench, *args, **kwargs)
        finally:
            bench.waited_seconds += waited_seconds() - before

    return counted


class WorktreeBench:
    """A worktree with tools on it.

    Args:
        loaded: the task.
        base: the admitted base that `measure` compares with.
        root: the worktree.
        repository: the sealed repository the worktree is linked to; readable, so that the agent can use git.
        scratch: a private folder for homes, caches and reports.
    """

    def __init__(self, loaded: LoadedTask, base: Base, root: Path, repository: Repository, scratch: Path) -> None:
        self._loaded = loaded
        self._base = base
        self._root = root
        self._repository = repository
        self._scratch = scratch
        # Advisory measurements draw their own seeds: nothing learnt here helps with the judge's inputs.
        self._seeds = random.SystemRandom()
        self.best = BestTree(loaded.task.target_files)
        # What of the agent's time went by in waiting for others' measurements, or while they waited for ours.
        self.waited_seconds = 0.0
        # Tools that are served to an agent elsewhere are run by another thread than the attempt's.
        self.watcher = watcher()
        # Whoever serves the tools may listen; the agent itself waits for the whole.
        self.on_progress: Callable[[Progress], None] = lambda _: None

    @property
    def root(self) -> Path:
        """The worktree, absolute."""
        return self._root

    @property
    def scratch(self) -> Path:
        """A private folder beside the worktree, gone when the run is."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch

    @property
    def readable(self) -> tuple[Path, ...]:
        """What a command in the worktree may read besides it: the sealed repository, so that git works."""
        return (self._repository.path,)

    @_counting_waits
    def run(self, command: str, *, seconds: float) -> CommandResult:
        """Run a bash command in the worktree, ended with all its children after `seconds`."""
        return run_confined(
            command,
            checkout=self._root,
            scratch=self._scratch / "home",
            seconds=seconds,
            max_bytes=OUTPUT_BYTES,
            readable=self.readable,
        )

    @_counting_waits
    def run_tests(self) -> Report:
        """Build, run the public tests, and hold the outputs on the shown workloads against the oracle."""
        scratch = self._fresh("tests")
        try:
            build(self._loaded.task.build, self._root, scratch / "build", scratch / "build.log")
        except BuildFailed as error:
            return Report(f"BUILD FAILED: {error.message}", ok=False)
        report = run_tests(self._loaded, self._root, scratch / "tests", None, hidden=False)
        lines = self._warnings()
        lines += [f"FAILED {name}: {why}" for name, why in sorted(report.failed.items())[:10]]
        if len(report.failed) > 10:
            lines.append(f"... and {counted(len(report.failed) - 10, 'more failure')}")
        lines += [f"BROKEN `{command}` {why}" for command, why in report.broken.items()]
        lines.append(f"{counted(len(report.passed), 'test')} passed, {len(report.failed)} failed.")
        wrong = check_outputs(self._job(scratch), random_cases=0)
        lines.append(
            "The outputs on the shown workloads are right." if wrong is None else f"WRONG OUTPUT: {explain(wrong)}"
        )
        good = wrong is None and not report.failed and not report.broken
        return Report("\n".join(lines), ok=good)

    @_counting_waits
    def measure(self) -> Report:
        """Time the worktree against the base on the shown workloads; advisory."""
        scratch = self._fresh("measure")
        try:
            build(self._loaded.task.build, self._root, scratch / "build", scratch / "build.log")
        except BuildFailed as error:
            return Report(f"BUILD FAILED: {error.message}", ok=False)
        try:
            before = take_diff(self._base.repository, self._root)
            result = measure(self._job(scratch), self.on_progress)
            if not isinstance(result, Measurement):
                return Report("\n".join([*self._warnings(), f"NOT MEASURED: {explain(result)}"]), ok=False)
            self.best.offer(before, take_diff(self._base.repository, self._root), result.speedup)
        except Rejected as end:
            return Report(f"NOT MEASURED: {end.message} The patch would be rejected.", ok=False)
        return Report("\n".join([*self._warnings(), _table(result)]))

    @_counting_waits
    def profile(self) -> Report:
        """Where the time of the bench's calls goes, on the worktree."""
        result = profile(self._job(self._fresh("profile")))
        return Report(explain(result), ok=False) if isinstance(result, Refusal) else Report(result)

    def _warnings(self) -> list[str]:
        """What would get the tree rejected as it stands."""
        try:
            changed = take_diff(self._base.repository, self._root).files
        except Rejected as end:
            return [f"WARNING: {end.message} The patch would be rejected."]
        outside = [path for path in changed if not matches(path, self._loaded.task.target_files)]
        if not outside:
            return []
        return [
            f"WARNING: these files may not change, and the patch would be rejected: {', '.join(outside[:10])}. "
            "Restore them, or move new ones to .bench_scratch/."
        ]

    def _job(self, scratch: Path) -> MeasureJob:
        if not self._base.repository.is_unchanged(self._base.root):
            raise InfrastructureError(
                f"{self._base.root}: the base's checkout was changed; nothing can be compared with it."
            )
        return job_for(
            self._loaded,
            self._base.root,
            self._root,
            scratch / "timing",
            device=self._base.device,
            seed=self._seeds.getrandbits(53),
            held_out=False,
            protocol=ADVISORY,
        )

    def _fresh(self, name: str) -> Path:
        folder = self._scratch / name
        delete_quietly(folder)
        folder.mkdir(parents=True)
        return folder


def _table(result: Measurement) -> str:
    """The report an agent reads: every shown workload, and the mean."""
    lines = ["Advisory timing against the base, shown workloads only (the verdict also uses others):"]
    width = max(len(workload.name) for workload in result.workloads)
    for workload in result.workloads:
        lines.append(
            f"  {workload.name:{width}}  base {workload.base_us:10.1f} us  now {workload.candidate_us:10.1f} us  "
            f"{interval_text(workload.speedup)}"
        )
    lines.append(f"Geometric mean: {interval_text(result.speedup)} from {result.sessions} sessions.")
    return "\n".join(lines)
