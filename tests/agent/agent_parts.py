"""Real parts the agent's tests share: a workbench over a folder, and sessions written as a recording."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.model import RecordedModel
from agent.shell import run_command
from agent.workbench import CommandResult, Report, WorkbenchError


class FolderBench:
    """A workbench over a plain folder: the shell is real, the reports are fixed texts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.measure_report: Callable[[], str] = lambda: "1.25x [1.20, 1.30]"

    def run(self, command: str, *, seconds: float) -> CommandResult:
        return run_command(command, cwd=self.root, env={"PATH": os.environ["PATH"]}, seconds=seconds)

    def measure(self) -> Report:
        return Report(self.measure_report())

    def run_tests(self) -> Report:
        return Report("3 tests passed.")

    def profile(self) -> Report:
        raise WorkbenchError("there is nothing to profile here")


def turn(
    name: str | None = None, *, text: str = "", raw: str | None = None, fails: bool = False, **arguments: object
) -> str:
    """A line of a recording: one call, or only text."""
    calls = [] if name is None else [{"id": "c1", "name": name, "arguments": raw or json.dumps(arguments)}]
    line: dict[str, Any] = {"kind": "turn", "text": text, "tool_calls": calls}
    return json.dumps({**line, "expects_error": True} if fails else line)


def recording(path: Path, *turns: str, base_tree: str = "abc") -> RecordedModel:
    """Write a recording and load it."""
    header = json.dumps({"format": 1, "task": "t", "base_tree": base_tree, "model": "recorded", "note": ""})
    path.write_text("\n".join([header, *turns]) + "\n", encoding="utf-8")
    return RecordedModel.load(path)


def update(path: str, *lines: str) -> str:
    """A patch with one update of one file."""
    return "\n".join(["*** Begin Patch", f"*** Update File: {path}", *lines, "*** End Patch"])
