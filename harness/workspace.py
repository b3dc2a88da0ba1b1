"""A run's folder for checkouts: made, marked as in use for as long as its process lives, and gone at the end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    except OSError as error:
        raise storage_error(error, space, "make the folder", "--worktrees") from error
    with contextlib.ExitStack() as stack:
        try:
            owner = Owner(run=None if run is None else str(run.resolve()), keep=keep)
            descriptor = os.open(space / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            stack.callback(os.close, descriptor)  # and with it the lock, when the folder is gone
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, owner.model_dump_json().encode())
        except OSError as error:
            worktree.remove_folder(space)
            raise storage_error(error, space, "make the folder", "--worktrees") from error
        if not keep:
            stack.callback(_remove, space)
        yield space


def _remove(space: Path) -> None:
    """Remove a folder for checkouts; who is told to end in the middle of that does it to the end first."""
    try:
        _remove_marked(space)
    except KeyboardInterrupt:
        _remove_marked(space)
        raise


def _remove_marked(space: Path) -> None:
    """Remove a folder for checkouts, its mark last: who is killed in the middle leaves one that is known by it."""
    if space.is_dir() and not space.is_symlink():
        for entry in list(space.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                worktree.remove_folder(entry)
            elif entry.name != _OWNER:
                with contextlib.suppress(OSError):  # the last line says what cannot be deleted
                    entry.unlink()
    worktree.remove_folder(space)


def removed(space: Path) -> StorageError | None:
    """The error to end with where somebody has removed this process's folder for checkouts; None where it is there.

    What is found without it is nobody's fault: files that are not there fail tests, and look like an agent's deletions.
    """
    if is_marked(space):
        return None
    return StorageError(
        f"The folder for checkouts {space} was removed while the run lasted: what was at work in it is not judged.",
        remedy="Leave it where it is until the run has ended; `harness resume` goes on with a run.",
    )


def owner_of(space: Path) -> Owner | None:
    """Whose a folder for checkouts is; None where nobody wrote it down."""
    try:
        return Owner.model_validate_json((space / _OWNER).read_bytes())
    except (OSError, ValidationError):
        return None


def is_marked(space: Path) -> bool:
    """Whether a folder was begun as one for checkouts, though a kill or a full disk may have kept its owner's name."""
    return (space / _OWNER).is_file()


def is_in_use(space: Path) -> bool:
    """Whether the process that made this folder for checkouts is alive."""
    return is_locked(space / _OWNER)


def free_space(space: Path, run: Path) -> Path:
    """A name for a run's folder for checkouts: `space`, or with a number where that is another run's.

    Runs have the same name where two begin in one second with different `--out`, or where one was copied. What a dead
    process of this run left under these names is cleared away.
    """
    number = 1
    name = space
    while name.exists():
        owner = owner_of(name)
        # An empty one is what a kill left between the mark's removal and the folder's.
        unnamed = owner is None and (is_marked(name) or not any(name.iterdir()))
        ours = unnamed or (owner is not None and owner.run == str(run.resolve()))
        if ours and not is_in_use(name):
            clear(name)
            break
        number += 1
        name = space.with_name(f"{space.name}-{number}")
    return name


def clear(space: Path) -> None:
    """End what a killed run left running in its folder for checkouts, and remove that; nothing where there is none."""
    end_processes_in(space)
    _remove_marked(space)


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
