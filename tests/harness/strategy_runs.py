"""Whole runs of the tiny task under a strategy, by an agent that is a script."""

from __future__ import annotations

import sys
from pathlib import Path

from tiny_task import TinyTask

from harness.options import RunOptions
from harness.run import RunOutcome, run_task

# Halves the work that it finds, and says what it found.
HALVING = """\
import pathlib, re, sys
core = pathlib.Path("tiny/core.py")
text = core.read_text()
times = int(re.search(r"range\\((\\d+)\\)", text).group(1))
core.write_text(text.replace(f"range({times})", f"range({times // 2})"))
print(f"found {times}, left {times // 2}")
"""


def script_agent(folder: Path, text: str = HALVING) -> str:
    """The agent of `--agent` that runs this Python text."""
    script = folder / "agent.py"
    script.write_text(text)
    return f"command:{sys.executable} {script}"


def start(tiny: TinyTask, folder: Path, **options: object) -> RunOutcome:
    """Run the tiny task with `script_agent`, unless another is named."""
    defaults = {"out": folder / "runs", "worktrees": folder / "worktrees", "agent": script_agent(folder), "seed": 7}
    return run_task(RunOptions(task=str(tiny.file), **(defaults | options)), lambda _: None)  # type: ignore[arg-type]
