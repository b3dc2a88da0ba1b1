"""What killed runs and old runs leave on the disk, and removing it: never anything that a living process uses.

Worktrees and sealed repositories lie in a run's folder for checkouts (`worktrees/<run>`), so there is one kind of
thing to look for there, and one in the folder of runs.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError, StorageError
from harness.folders import walk
from harness.journal import is_being_written, read_events
from harness.memory import Memory
from harness.memory import folder as memory_folder
from harness.state import mcp_folders
from harness.store import RunFolder
from harness.temporary import NODE_SPACES, is_temporary
from harness.text import counted
from harness.verdict import Record
from harness.whole_file import storage_error
from harness.workspace import clear, end_processes_in, is_in_use, is_marked, owner_of, processes_in
from harness.worktree import remove_folder

Kind = Literal["checkouts", "run", "nameless", "temporary", "memory"]
# A folder for checkouts has its owner's name a moment after it is made; one without is nobody's if it is older.
_NAMELESS_SECONDS = 600.0
_TEMPORARY_SECONDS = 86_400.0


class Leftover(Record):
    """Something that can go.

    Attributes:
        kind: `checkouts` is a folder for checkouts whose process is dead; `run` an old run's record; `nameless` a
            folder of a run that was killed before its first event; `temporary` what a killed process left in the
            system's temporary folder; `memory` what is remembered of a task.
        path: absolute.
        why: one clause.
        bytes: on the disk.
    """

    kind: Kind
    path: str
    why: str
    bytes: int


@dataclass(frozen=True)
class Found:
    """What was looked at: what can go, and what stays because it is in use."""

    leftovers: list[Leftover]
    in_use: list[str]

    @property
    def bytes(self) -> int:
        """All leftovers together."""
        return sum(leftover.bytes for leftover in self.leftovers)


def look(
    out: Path,
    worktrees: Path,
    older_than: timedelta | None,
    temporary: Path | None = None,
    *,
    memories: bool = False,
) -> Found:
    """Find what can go.

    Args:
        out: the folder of runs.
        worktrees: the folder of checkouts.
        temporary: the folder for temporary files; the system's without.
        older_than: records of runs that ended longer ago can go, too, and checkouts that were asked to stay; none
            without.
        memories: what is remembered of tasks can go, too: all of it, or what nothing was added to since `older_than`.

    Raises:
        StorageError: a folder cannot be read.
    """
    leftovers: list[Leftover] = []
    in_use: list[str] = []
    _look_at_checkouts(worktrees, older_than, leftovers, in_use)
    _look_at_runs(out, older_than, leftovers, in_use)
    for folder in _folders(temporary or Path(tempfile.gettempdir()), "TMPDIR"):
        if is_temporary(folder.name) and _is_abandoned(folder):
            leftovers.append(_leftover("temporary", folder, "nobody has used it for a day"))
    for path in sorted(memory_folder().glob("*.jsonl")) if memories else []:
        if older_than is None or _age(path) > older_than.total_seconds():
            known = len(Memory(path).read())
            leftovers.append(_leftover("memory", path, f"what {counted(known, 'attempt')} at a task came to"))
    return Found(leftovers, in_use)


def look_elsewhere() -> Found:
    """What was killed out of the way of whoever started it: `harness mcp` servers, a cluster's node. Records stay."""
    found = Found([], [])
    out, worktrees = mcp_folders()
    for spaces in (worktrees, Path(tempfile.gettempdir()) / NODE_SPACES):
        _look_at_checkouts(spaces, None, found.leftovers, found.in_use)
    _look_at_runs(out, None, found.leftovers, found.in_use)
    return Found([each for each in found.leftovers if _is_mine(Path(each.path))], found.in_use)


def _look_at_checkouts(
    worktrees: Path, older_than: timedelta | None, leftovers: list[Leftover], in_use: list[str]
) -> None:
    for space in _folders(worktrees, "--worktrees"):
        if is_in_use(space):
            in_use.append(str(space))
            continue
        why = _why_checkouts_go(space, older_than)
        if why is not None:
            leftovers.append(_leftover("checkouts", space, why))


def _look_at_runs(out: Path, older_than: timedelta | None, leftovers: list[Leftover], in_use: list[str]) -> None:
    for folder in _folders(out, "--out"):
        run = RunFolder(folder)
        if run.journal.exists() and is_being_written(run.journal):
            in_use.append(str(folder))
        elif (why := _why_run_goes(run, older_than)) is not None:
            kind: Kind = "run" if _has_events(run) else "nameless"
            leftovers.append(_leftover(kind, folder, why))


def clean(leftovers: list[Leftover]) -> list[str]:
    """Remove leftovers; one that has come into use meanwhile stays.

    Returns:
        A sentence for each that could not be removed.
    """
    problems = []
    for leftover in leftovers:
        path = Path(leftover.path)
        try:
            if leftover.kind == "checkouts":
                if not is_in_use(path):
                    clear(path)
            elif leftover.kind == "memory":
                path.unlink(missing_ok=True)
                path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
            elif leftover.kind == "temporary":
                if _is_abandoned(path):
                    remove_folder(path)
            elif not is_being_written(RunFolder(path).journal):
                end_processes_in(path)
                remove_folder(path)
        except StorageError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{path}: cannot be removed ({error.strerror or error}).")
    return problems


def _why_checkouts_go(space: Path, older_than: timedelta | None) -> str | None:
    owner = owner_of(space)
    if owner is None:
        # Not made by this version, or killed in the first moment: whose it is cannot be known, only that it is old.
        return "its owner is unknown, and it is old" if _age(space) > _NAMELESS_SECONDS and _is_ours(space) else None
    if owner.keep:
        old = older_than is not None and _age(space) > older_than.total_seconds()
        return "kept by --keep-worktrees, and older than asked" if old else None
    return "its process is dead"


def _is_ours(space: Path) -> bool:
    """Whether a folder looks like one for checkouts: there may be anything in a folder that a user named."""
    return (space / "judge.git").is_dir() or (space / "agents.git").is_dir() or is_marked(space)


def _is_abandoned(folder: Path) -> bool:
    """Whether a temporary folder is this user's, old, and no process's."""
    return _is_mine(folder) and _age(folder) > _TEMPORARY_SECONDS and not processes_in(folder)


def _is_mine(folder: Path) -> bool:
    """Whether a folder is this user's: in the system's temporary folder anybody may make one of any name."""
    with contextlib.suppress(OSError):
        return folder.stat().st_uid == os.geteuid()
    return False


def _why_run_goes(run: RunFolder, older_than: timedelta | None) -> str | None:
    if not _has_events(run):
        ours = run.journal.exists() or run.plan.exists()
        return "it was killed before its first event" if ours and _age(run.path) > _NAMELESS_SECONDS else None
    if older_than is None:
        return None
    ended = _last_event(run)
    if ended is None or ended > datetime.now(UTC) - older_than:
        return None
    return f"its last event is of {ended:%Y-%m-%d %H:%M} UTC"


def _has_events(run: RunFolder) -> bool:
    with contextlib.suppress(OSError):
        return run.journal.stat().st_size > 0
    return False


def _last_event(run: RunFolder) -> datetime | None:
    """When a run last said something; its file's time where the journal cannot be read."""
    try:
        events = read_events(run.journal)
        if events:
            return datetime.fromisoformat(events[-1].at)
    except (HarnessError, ValueError):
        pass
    with contextlib.suppress(OSError):
        return datetime.fromtimestamp(run.journal.stat().st_mtime, UTC)
    return None


def _folders(parent: Path, option: str) -> Iterator[Path]:
    try:
        found = [path for path in parent.iterdir() if path.is_dir() and not path.is_symlink()]
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(error, parent, "read", option) from error
    yield from sorted(path.resolve() for path in found)


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0


def _leftover(kind: Kind, path: Path, why: str) -> Leftover:
    return Leftover(kind=kind, path=str(path), why=why, bytes=_size(path))


def _size(path: Path) -> int:
    total = path.stat().st_size if path.is_file() else 0
    for folder, _, names in walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (folder / name).lstat().st_blocks * 512
    return total
