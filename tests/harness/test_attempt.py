"""One attempt: whatever its agent does, the end is a verdict and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from harness.evaluate import Judge
from harness.source import seal
from harness.store import RunFolder
from harness.task_file import load_task
from harness.workspace import workspace


@dataclass
class Broken:
    """An agent with a bug."""

    error: Exception
    name: str = "broken"
    model: str | None = None
    note: str | None = None
    version: str | None = None
    own_tools: bool = False

    def work(
        self, workbench: Workbench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        (workbench.root / "tiny" / "core.py").write_text("half done")
        raise self.error


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    loaded = load_task(str(make_tiny_task(tmp_path / "task").file))
    sealed = seal(loaded, tmp_path / "judge.git")
    base = admit(loaded, sealed, tmp_path / "base", tmp_path / "scratch", 1, lambda _: None)
    with workspace(tmp_path / "space") as space:
        yield Setup(
            judge=Judge(loaded=loaded, base=base, seed=1, workspace=space / "scratch"),
            agent=Broken(RuntimeError("no such luck")),
            repository=sealed.copy(tmp_path / "agents.git"),
            folder=RunFolder(tmp_path / "runs" / "r"),
            worktrees=space / "worktrees",
            keep_worktrees=False,
            emit=lambda _: None,
        )


def test_a_bug_of_ours_costs_one_attempt_and_is_not_scored(setup: Setup) -> None:
    verdict = run_attempt(setup, "001")
    assert (verdict.status, verdict.cause) == ("infra_failed", "internal_error")
    assert verdict.counted_speedup is None
    assert "no such luck" in verdict.message
    assert "Traceback" in (setup.folder.attempt("001").path / "internal_error.txt").read_text()
    assert list(setup.worktrees.iterdir()) == []
