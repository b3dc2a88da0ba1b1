"""Git worktrees for agents: detached, made one at a time, and gone when the attempt is."""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock

from harness.errors import StorageError
from harness.git import Repository, run_git


def add(repository: Repository, path: Path) -> None:
    """Make a detached worktree of the base at `path`.

    Serialised by a lock beside the repository: adding many at once races inside git.

    Raises:
        StorageError: the folder cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path.parent}: cannot be made ({error.strerror}).", remedy="Choose another folder with --worktrees."
        ) from error
    with FileLock(f"{repository.path}.lock"):
        run_git(repository.path, "worktree", "prune")
        run_git(repository.path, "worktree", "add", "--quiet", "--detach", str(path), repository.commit)


def remove(repository: Repository, path: Path) -> None:
    """Remove a worktree, whatever an agent left in it; nothing happens where there is none."""
    _delete(path)
    if repository.path.exists():
        with FileLock(f"{repository.path}.lock"):
            run_git(repository.path, "worktree", "prune")


def _delete(path: Path) -> None:
    """Delete a folder, folders without write permission included."""

    def unlock(_function: object, name: str, _error: object) -> None:
        blocked = Path(name)
        blocked.parent.chmod(0o700)
        if blocked.is_dir() and not blocked.is_symlink():
            blocked.chmod(0o700)
            shutil.rmtree(blocked)
        else:
            blocked.unlink(missing_ok=True)

    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path, onerror=unlock)


def remove_folder(path: Path) -> None:
    """Delete a plain folder of ours (a checkout without git), whatever is in it."""
    _delete(path)
