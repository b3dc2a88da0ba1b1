"""What `harness ablate` is pointed at: an attempt of a run, or a diff from anywhere with its task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.ablation.parts import By
from harness.errors import UsageError
from harness.find_run import find_attempt
from harness.merge.kept_patch import kept_patch
from harness.options import RunOptions

# One for each way to take a patch apart, so that a closer look does not write over the first.
FOLDERS: dict[By, str] = {"hunk": "ablation", "line-group": "ablation-line-group", "file": "ablation-file"}


@dataclass(frozen=True)
class Asked:
    """A patch to take apart.

    Attributes:
        patch: the diff.
        name: what it is called in messages.
        task: a task file, or a task's name.
        into: where results go unless told otherwise.
    """

    patch: Path
    name: str
    task: str
    into: Path


def find_patch(out: Path, what: str, task: str | None, by: By = "hunk") -> Asked:
    """The patch that `what` means: a file, RUN/ATTEMPT, or a RUN of a single attempt.

    Raises:
        UsageError: there is no such patch, its task is not known, or its verdict says that it has no gain.
    """
    named = Path(what)
    kept = kept_patch(named, RunOptions(task=task or "", out=out))
    if named.is_file():
        return Asked(named, what, kept.options.task, Path(f"{named.stem}.{FOLDERS[by]}"))
    folder = find_attempt(out, what)
    name = f"{folder.run.name}/{folder.name}"
    verdict = kept.verdict
    if verdict is None:
        raise UsageError(f"{name} has no verdict yet.", remedy="Wait for it: `harness watch` follows the run.")
    if verdict.status != "faster" and verdict.was_judged:
        raise UsageError(
            f"{name} is {verdict.status.replace('_', ' ')}: {verdict.message}",
            remedy="Only a patch that is faster has a gain to take apart.",
        )
    return Asked(kept.file, name, kept.options.task, folder.path / FOLDERS[by])
