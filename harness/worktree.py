"""Git worktrees for agents: detached, made one at a time, and gone when the attempt is."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from harness import folders
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
    """Remove a worktree, whatever an agent left in it; nothing happens where there is none.

    Raises:
        StorageError: something in it cannot be deleted.
    """
    remove_folder(path)
    if repository.path.exists():
        with FileLock(f"{repository.path}.lock"):
            run_git(repository.path, "worktree", "prune")


def remove_folder(path: Path) -> None:
    """Delete a plain folder of ours (a checkout without git), whatever is in it.

    Raises:
        StorageError: something in it cannot be deleted.
    """
    try:
        folders.delete(path)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be removed ({error.strerror or error}).", remedy="Remove it by hand; nothing needs it."
        ) from error
