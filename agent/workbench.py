"""What an agent is given to work with. The harness implements it; the agent knows only this protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self


@dataclass(frozen=True)
class CommandResult:
    """How a command ended.

    Attributes:
        exit_code: the process's exit code; negative when a signal ended it; None when the time limit did.
        output: standard output and error in the order they came, already truncated in the middle if long.
        seconds: wall-clock time it took.
    """

    exit_code: int | None
    output: str
    seconds: float


class Report(str):
    """What a tool found, as text for the agent.

    Attributes:
        ok: False where it failed, is wrong, or could not be measured.
    """

    ok: bool

    def __new__(cls, text: str, *, ok: bool = True) -> Self:  # noqa: D102 - the class says it
        report = super().__new__(cls, text)
        report.ok = ok
        return report


class Workbench(Protocol):
    """The agent's hands: a worktree, a confined shell, and the harness's own tests and clock."""

    @property
    def root(self) -> Path:
        """The worktree, absolute."""

    def run(self, command: str, *, seconds: float) -> CommandResult:
        """Run a bash command in the worktree, ended with all its children after `seconds`."""

    def measure(self) -> Report:
        """Time the worktree against the base on the shown workloads; a short advisory report."""

    def run_tests(self) -> Report:
        """Build the worktree and run the public tests and the oracle on the shown workloads; a short report."""

    def profile(self) -> Report:
        """Profile the bench's calls on the worktree; a short report."""


class WorkbenchError(Exception):
    """The workbench could not do what a tool asked. The agent is shown the text and goes on."""
