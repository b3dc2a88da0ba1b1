"""Whether a task's `target_files` name anything: with a slip there, every patch there will ever be is rejected."""

from __future__ import annotations

import difflib

from harness.errors import TaskError
from harness.git import Repository
from harness.patch import matches
from harness.task import LoadedTask


def without_files(loaded: LoadedTask, base: Repository) -> list[str]:
    """Those of the task's `target_files` that no file of the base matches: a patch may add one, or it is a slip."""
    files = base.files()
    return [glob for glob in loaded.task.target_files if not any(matches(path, [glob]) for path in files)]


def require_targets(loaded: LoadedTask, base: Repository) -> None:
    """Some file of the base may be changed.

    Raises:
        TaskError: none may; names the files that are most like those that were named.
    """
    globs = loaded.task.target_files
    if without_files(loaded, base) != globs:
        return
    raise TaskError(
        f"{loaded.file}: target_files: no file of the base matches {', '.join(globs)}: every patch would be rejected.",
        remedy=_way_out(globs, [path for path in base.files() if path.isprintable()]),
    )


def _way_out(globs: list[str], files: list[str]) -> str:
    for glob in globs:
        folder = glob.rstrip("/")
        if any(path.startswith(f"{folder}/") for path in files):
            return f"{folder} is a folder: write {folder}/** for all that is in it."
    likely = [near for glob in globs for near in difflib.get_close_matches(glob, files, n=1, cutoff=0.5)]
    same_name = [path for glob in globs for path in files if path.rpartition("/")[2] == glob.rpartition("/")[2]]
    guess = f" Did you mean {' or '.join(dict.fromkeys((same_name or likely)[:3]))}?" if same_name or likely else ""
    return f"Paths start at the root of the source; * stays in a folder, ** crosses folders.{guess}"
