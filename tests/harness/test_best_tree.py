"""An agent that is cut off is judged by the best tree it measured, not by half an edit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tiny_task import make_tiny_task

from agent.budget import Limits
from agent.loop import AgentOutcome
from agent.workbench import Workbench
from harness.admission import admit
from harness.agents import OnStep
from harness.attempt import run_attempt
from harness.attempt_setup import Setup
from harness.best_tree import BestTree, excuse, settle_tree
from harness.errors import Rejected
from harness.evaluate import Judge, Judgement
from harness.patch import Change, Patch
from harness.source import seal
from harness.store import AttemptFolder, RunFolder
from harness.task_file import load_task
from harness.verdict import Interval
from harness.workspace import workspace

SLOW = "for _ in range(20):"
BROKEN = "def total(values:\n"


def ratio(estimate: float) -> Interval:
    return Interval(estimate=estimate, low=estimate - 0.01, high=estimate + 0.01)


def patch(text: str, path: str = "tiny/core.py") -> Patch:
    change = Change(path, "100644", "100644", "M")
    return Patch(text.encode(), [change] if text else [], insertions=1, deletions=1, binary=[])


# What is remembered


def test_the_best_one_is_remembered_and_a_later_one_only_if_better() -> None:
    best = BestTree(["tiny/*.py"])
    for text, speedup in (("a", 1.1), ("b", 1.5), ("c", 1.3), ("d", 1.5)):
        best.offer(patch(text), patch(text), ratio(speedup))
    assert best.tree is not None
    assert (best.tree.patch.text, best.tree.speedup.estimate) == (b"b", 1.5)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (patch(""), patch("")),
        (patch("a"), patch("changed meanwhile")),
        (patch("a", "tests/test_core.py"), patch("a", "tests/test_core.py")),
    ],
    ids=["the base itself", "a tree that changed meanwhile", "a patch that would be rejected"],
)
def test_what_could_not_be_judged_is_not_remembered(before: Patch, after: Patch) -> None:
    best = BestTree(["tiny/*.py"])
    best.offer(before, after, ratio(9.0))
    assert best.tree is None


# Which is judged


@pytest.mark.parametrize(
    ("ended", "speedup", "left", "judged"),
    [
        ("limit", 1.5, "half an edit", "best_measured"),
        ("model_error", 1.5, "half an edit", "best_measured"),
        ("limit", 1.5, "measured", "left"),
        ("limit", 0.9, "half an edit", "left"),
        ("limit", None, "half an edit", "left"),
        ("submitted", 1.5, "half an edit", "left"),
        ("gave_up", 1.5, "half an edit", "left"),
    ],
)
def test_only_who_is_cut_off_gets_the_best(
    tmp_path: Path, ended: str, speedup: float | None, left: str, judged: str
) -> None:
    best = BestTree(["tiny/*.py"])
    if speedup is not None:
        best.offer(patch("measured"), patch("measured"), ratio(speedup))
    folder = AttemptFolder(tmp_path)
    outcome = settle_tree(folder, patch(left), best.tree, AgentOutcome(ended, "d"))  # type: ignore[arg-type]
    assert outcome.tree == judged
    assert folder.patch.read_text() == ("measured" if judged == "best_measured" else left)
    assert folder.left_patch.exists() is (judged == "best_measured")
    if judged == "best_measured":
        assert folder.left_patch.read_text() == left


@pytest.mark.parametrize(("ended", "judged"), [("limit", "best_measured"), ("submitted", "left")])
def test_what_is_no_patch_is_not_written(tmp_path: Path, ended: str, judged: str) -> None:
    best = BestTree(["tiny/*.py"])
    best.offer(patch("measured"), patch("measured"), ratio(1.5))
    left = Rejected("not_a_regular_file", "tiny/core.py is a pipe.")
    folder = AttemptFolder(tmp_path)
    outcome = settle_tree(folder, left, best.tree, AgentOutcome(ended, "d"))  # type: ignore[arg-type]
    assert outcome.tree == judged
    assert folder.patch.exists() is (judged == "best_measured")
    assert not folder.left_patch.exists()


@pytest.mark.parametrize(
    ("status", "retryable", "scored"),
    [("faster", True, "faster"), ("same", True, "infra_failed"), ("same", False, "same")],
)
def test_a_lost_model_is_no_fault_of_the_agents(status: str, retryable: bool, scored: str) -> None:
    judgement = Judgement(status=status, message="as it is.")  # type: ignore[arg-type]
    excuse(judgement, AgentOutcome("model_error", "The endpoint is gone.", retryable=retryable, tree="best_measured"))
    assert judgement.status == scored
    if scored == "infra_failed":
        assert judgement.cause == "model_unreachable"
        assert judgement.message == "The endpoint is gone. The best tree by then came out as same: as it is."


# Whole attempts


@dataclass
class CutOff:
    """An agent that measures a better tree, breaks it, and is stopped there."""

    outcome: AgentOutcome
    faster: bool = True
    pipe: bool = False
    name: str = "cut-off"
    model: str | None = None
    note: str | None = None
    version: str | None = None
    own_tools: bool = False
    reports: list[str] = field(default_factory=list)

    def work(
        self, workbench: Workbench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        core = workbench.root / "tiny" / "core.py"
        base = core.read_text()
        self.reports.append(workbench.measure())  # the base itself
        if self.faster:
            core.write_text(base.replace(SLOW, "for _ in range(1):"))
            self.reports.append(workbench.measure())
            core.write_text(base.replace("square = value * value", "square = value * value + 1"))
            self.reports.append(workbench.measure())  # wrong, whatever its speed
        core.write_text(BROKEN)
        if self.pipe:
            core.unlink()
            os.mkfifo(core)
            self.reports.append(workbench.measure())
        return self.outcome


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    folder = tmp_path_factory.mktemp("best-tree")
    loaded = load_task(str(make_tiny_task(folder / "task").file))
    sealed = seal(loaded, folder / "judge.git")
    base = admit(loaded, sealed, folder / "base", folder / "scratch", 1, lambda _: None)
    with workspace(folder / "space") as space:
        yield Setup(
            judge=Judge(loaded=loaded, base=base, seed=1, workspace=space / "scratch"),
            agent=CutOff(AgentOutcome("limit", "")),
            repository=sealed.copy(folder / "agents.git"),
            folder=RunFolder(folder / "runs" / "r"),
            worktrees=space / "worktrees",
            keep_worktrees=False,
            emit=lambda _: None,
        )


@pytest.mark.slow
def test_at_a_limit_the_best_measured_tree_is_judged_and_the_verdict_says_so(setup: Setup) -> None:
    agent = CutOff(AgentOutcome("limit", "the limit of 3 steps is reached (used: 3 steps)"))
    verdict = run_attempt(replace(setup, agent=agent), "001")
    assert verdict.status == "faster", (verdict.message, agent.reports)
    assert verdict.tree == "best_measured"
    assert "Judged is the best tree that it measured; the one it left is in 001/left.diff." in verdict.message
    folder = setup.folder.attempt("001")
    assert "range(1)" in folder.patch.read_text()
    assert BROKEN in folder.left_patch.read_text()
    assert "NOT MEASURED" in agent.reports[-1]


@pytest.mark.slow
def test_without_a_model_and_without_a_measured_tree_nothing_is_judged_and_the_patch_kept(setup: Setup) -> None:
    agent = CutOff(AgentOutcome("model_error", "The endpoint is gone.", retryable=True), faster=False)
    verdict = run_attempt(replace(setup, agent=agent), "002")
    assert (verdict.status, verdict.cause, verdict.tree) == ("infra_failed", "model_unreachable", "left")
    assert BROKEN in setup.folder.attempt("002").patch.read_text()
    assert not setup.folder.attempt("002").left_patch.exists()


@pytest.mark.slow
def test_a_tree_that_is_no_patch_is_the_agents_doing(setup: Setup) -> None:
    agent = CutOff(AgentOutcome("submitted", ""), faster=False, pipe=True)
    verdict = run_attempt(replace(setup, agent=agent), "003")
    assert (verdict.status, verdict.cause) == ("rejected", "not_a_regular_file")
    assert "tiny/core.py is a pipe" in verdict.message
    assert "NOT MEASURED: tiny/core.py is a pipe" in agent.reports[-1]
    assert not (setup.worktrees / "003").exists()
