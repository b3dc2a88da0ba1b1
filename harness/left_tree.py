"""What an agent may leave in a worktree that git can make no patch of: its doing, and no failure of ours."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.folders import walk


def unfit_for_a_patch(work_tree: Path, files: Iterable[str], is_leftover: Callable[[str], bool]) -> str | None:
    """What of a tree stands in the way of its diff, in a sentence; None where nothing does.

    Args:
        work_tree: the tree.
        files: the base's, relative to it. Beside them git passes over what is no file.
        is_leftover: says of a path relative to the tree whether git is told to pass over it.
    """
    for name in files:
        path = work_tree / name
        if path.exists() and not (path.is_file() or path.is_dir()):
            return f"{name} is a pipe, a socket or a device, and no file."
    for folder, folders, names in walk(work_tree):
        inside = folder.relative_to(work_tree)
        folders[:] = [name for name in folders if not is_leftover((inside / name).as_posix())]
        if ".git" in (*folders, *names) and inside != Path():
            return f"{inside.as_posix()} is a git repository of its own, inside of the worktree."
        for name in names:
            path = work_tree / inside / name
            if stat.S_ISREG(path.lstat().st_mode) and not os.access(path, os.R_OK):
                return f"{(inside / name).as_posix()} cannot be read: its permissions do not allow it."
    return None
