"""Where the harness keeps what outlives a run: calibrations of this machine, and what was learnt of a task."""

from __future__ import annotations

import os
from pathlib import Path


def mcp_folders() -> tuple[Path, Path]:
    """Where `harness mcp` keeps its records and its checkouts, unless it is told."""
    folder = state_folder("mcp")
    return folder / "runs", folder / "worktrees"


def state_folder(name: str) -> Path:
    """A folder of the user's state, by the XDG base directory specification; made by whoever writes to it."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "perf-harness" / name
