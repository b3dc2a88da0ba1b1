"""What every attempt of a run shares: who edits, who judges, and where things lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.agents import Agent
from harness.evaluate import Judge
from harness.events import Emit
from harness.git import Repository
from harness.run_budget import RunBudget
from harness.store import RunFolder


@dataclass(frozen=True)
class Setup:
    """What every attempt of a run shares.

    Attributes:
        judge: who judges.
        agent: who edits.
        repository: the sealed repository that agents' worktrees are linked to; not the judge's.
        folder: the run's folder.
        worktrees: where attempts' checkouts are made.
        keep_worktrees: whether they stay.
        emit: where events go.
        budget: what the run's attempts may use up together; None for what each may by itself.
    """

    judge: Judge
    agent: Agent
    repository: Repository
    folder: RunFolder
    worktrees: Path
    keep_worktrees: bool
    emit: Emit
    budget: RunBudget | None = None
