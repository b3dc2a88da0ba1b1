"""What is to be seen by no confined command, wherever it lies: the task's own files, the runs, other worktrees.

Most often they are not there anyway. But a project may lie in /opt or below /usr, or its virtual environment may be the
folder itself: then it lies in a folder that every command is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_paths: dict[Path, None] = {}


def keep_out(paths: Iterable[Path | None]) -> None:
    """Hide these from every command that this process confines from now on, but where a step shows them by name."""
    _paths.update(dict.fromkeys(path.absolute() for path in paths if path is not None))


def kept_out() -> tuple[Path, ...]:
    """All that is to be hidden; a process that is started to confine commands must be told."""
    return tuple(_paths)
