"""A person's checkout of a task's source: telling whether a folder is one, and making one."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.errors import StorageError, UsageError
from harness.git import Repository, run_git
from harness.patch import matches
from harness.source import seal
from harness.task import LoadedTask
from harness.temporary import temporary_folder
from harness.whole_file import storage_error

_NAMED = 4


def require_checkout(sealed: Repository, folder: Path, loaded: LoadedTask) -> None:
    """A folder is a checkout if it has every file of the base that a patch may not touch, and a target file.

    What is in the files does not matter here; what else has changed is told with every measurement.

    Raises:
        UsageError: it is not one; says what is missing, and how to get one.
    """
    listed = sealed.git("ls-tree", "-r", "-z", "--name-only", sealed.commit).decode(errors="surrogateescape")
    names = [name for name in listed.split("\0") if name]
    absent = [name for name in names if not os.path.lexists(folder / name)]
    targets = [name for name in names if matches(name, loaded.task.target_files)]
    fixed = [name for name in absent if name not in targets]
    if not fixed and not set(targets) <= set(absent):
        return
    shown = ", ".join(absent[:_NAMED]) + (" and others" if len(absent) > _NAMED else "")
    raise UsageError(
        f"{folder} is not a checkout of the source of {loaded.task.name}: {len(absent)} of its {len(names)} files "
        f"are not there ({shown}).",
        remedy="Name one with --worktree DIR, or have one made with --new-worktree DIR.",
    )


def make_checkout(loaded: LoadedTask, folder: Path) -> bool:
    """Make a checkout of the base: a git repository of its own with one commit. One that is there is left alone.

    Returns:
        Whether it was made.

    Raises:
        StorageError: it cannot be made.
        TaskError: the source is not there.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            return False
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be made ({error.strerror}).", remedy="Choose another folder.") from error
    with temporary_folder("seal") as place:
        sealed = seal(loaded, Path(place) / "base.git")
        try:
            # A client may kill a server that takes long to start: half a checkout would be in the next one's way.
            with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
                begun = Path(beside) / folder.name
                run_git(Path(beside), "clone", "--quiet", "--no-hardlinks", "--no-local", str(sealed.path), str(begun))
                run_git(begun, "remote", "remove", "origin")
                begun.rename(folder)
        except OSError as error:
            raise storage_error(error, folder, "make the folder", "--new-worktree") from error
    return True
