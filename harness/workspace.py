"""A run's folder for checkouts: made, marked as in use for as long as its process lives, and gone at the end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil
from pydantic import ValidationError

from harness import worktree
from harness.errors import StorageError
from harness.file_lock import is_locked
from harness.verdict import Record
from harness.whole_file import storage_error

_OWNER = ".owner.json"
_KILL_ROUNDS = 50


class Owner(Record):
    """Whose a folder for checkouts is. Its file is locked while the owner lives; the kernel unlocks a dead one's.

    Attributes:
        run: the run's folder; None for what leaves no record, such as `harness check`.
        keep: whether it was asked to stay.
    """

    run: str | None = None
    keep: bool = False


@contextmanager
def workspace(space: Path, *, run: Path | None = None, keep: bool = False) -> Iterator[Path]:
    """The folder `space`, gone at the end unless it was asked to stay; gives its absolute path.

    Raises:
        StorageError: it cannot be made.
    """
    space = space.resolve()
    try:
        space.mkdir(parents=True)
        owner = Owner(run=None if run is None else str(run.resolve()), keep=keep)
        descriptor = os.open(space / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise storage_error(error, space, "make the folder", "--worktrees") from error
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, owner.model_dump_json().encode())
        yield space
    finally:
        if not keep:
            worktree.remove_folder(space)
        os.close(descriptor)


def owner_of(space: Path) -> Owner | None:
    """Whose a folder for checkouts is; None where nobody wrote it down."""
    try:
        return Owner.model_validate_json((space / _OWNER).read_bytes())
    except (OSError, ValidationError):
        return None


def is_in_use(space: Path) -> bool:
    """Whether the process that made this folder for checkouts is alive."""
    return is_locked(space / _OWNER)


def clear(space: Path) -> None:
    """End what a killed run left running in its folder for checkouts, and remove that; nothing where there is none."""
    end_processes_in(space)
    worktree.remove_folder(space)


def end_processes_in(space: Path) -> int:
    """Kill every process that works in a folder: by its own folder, its environment or its command line.

    Returns:
        How many there were.
    """
    found: set[int] = set()
    for _ in range(_KILL_ROUNDS):
        alive = processes_in(space)
        if not alive:
            break
        for process in alive:
            found.add(process.pid)
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.01)
    return len(found)


def processes_in(space: Path) -> list[psutil.Process]:
    """Every process that works in a folder; this one left out."""
    needle = f"{space.resolve()}/".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError, psutil.Error):
            said = (entry / "environ").read_bytes() + b"\0" + (entry / "cmdline").read_bytes()
            if needle in said or os.fsencode(os.readlink(entry / "cwd") + "/").startswith(needle):  # noqa: PTH115
                found.append(psutil.Process(int(entry.name)))
    return [each for each in found if each.status() != psutil.STATUS_ZOMBIE]


def require_writable(worktrees: Path) -> None:
    """Fail before a run folder is made, not after.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        worktrees.mkdir(parents=True, exist_ok=True)
        probe = worktrees / f".probe-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StorageError(
            f"{worktrees}: cannot be written ({error.strerror}).", remedy="Choose another folder with --worktrees."
        ) from error


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: tidily."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
