"""Parts that the tests of served tools share: a workbench one can hold up, and commands in a sandbox."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent_parts import FolderBench

from agent.shell import run_command
from agent.trajectory import Trajectory, TrajectoryEvent, read_trajectory
from agent.workbench import CommandResult, Report
from harness.sandbox import Confinement, Sandbox, working_sandboxes
from harness.tool_service import ToolAccess, recorder, serve_tools

SANDBOXES = {sandbox.name: sandbox for sandbox in working_sandboxes()}


class SlowBench(FolderBench):
    """Its tests are a real command that runs until it is stopped, or until the file `go` is there."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.begun = threading.Event()

    def run_tests(self) -> Report:
        self.begun.set()
        result = self.run("until [ -e go ]; do sleep 0.02; done", seconds=60)
        return Report(f"exit code {result.exit_code}", ok=result.exit_code == 0)

    def profile(self) -> Report:
        return Report("it is wrong", ok=False)


@contextmanager
def served(tmp_path: Path, bench: FolderBench | None = None) -> Iterator[ToolAccess]:
    """Tools over a plain folder, its calls recorded in `trajectory.jsonl`."""
    tree = tmp_path / "tree"
    tree.mkdir(exist_ok=True)
    with (
        Trajectory(tmp_path / "trajectory.jsonl") as record,
        serve_tools(bench or FolderBench(tree), tmp_path / "tree.tools", recorder(record, lambda *_: None)) as access,
    ):
        yield access


def inside(command: str, access: ToolAccess, tmp_path: Path, sandbox: Sandbox | None = None) -> CommandResult:
    """Run a command as an agent's: in the tree, with the tools, confined where a sandbox is given."""
    tree = tmp_path / "tree"
    confinement = Confinement(writable=(tree, *access.writable), readable=access.readable)
    return run_command(
        command,
        cwd=tree,
        env=access.environment,
        seconds=60,
        wrap=sandbox.wrap(confinement) if sandbox else (),
    )


def events(tmp_path: Path) -> list[TrajectoryEvent]:
    """What was recorded."""
    return list(read_trajectory(tmp_path / "trajectory.jsonl"))
