"""What `harness ablate` is pointed at: an attempt of a run, or a diff from anywhere with its task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.journal import fold, read_events
from harness.show import patch_file
from harness.store import find_attempt


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


def find_patch(out: Path, what: str, task: str | None) -> Asked:
    """The patch that `what` means: a file, RUN/ATTEMPT, or a RUN of a single attempt.

    Raises:
        UsageError: there is no such patch, its task is not known, or its verdict says that it has no gain.
    """
    file = Path(what)
    if file.is_file():
        if task is None:
            raise UsageError(f"{what} is a patch of an unknown task.", remedy="Say which with --task TASK.")
        return Asked(file, what, task, Path(f"{file.stem}.ablation"))
    folder = find_attempt(out, what)
    name = f"{folder.run.name}/{folder.name}"
    state = fold(read_events(folder.run.journal))
    attempt = state.attempts.get(folder.name)
    verdict = attempt.verdict if attempt is not None else None
    if verdict is None or state.started is None:
        raise UsageError(f"{name} has no verdict yet.", remedy="Wait for it: `harness watch` follows the run.")
    patch = patch_file(verdict, folder)
    if patch is None:
        raise UsageError(f"{name} has no patch ({verdict.status.replace('_', ' ')}).")
    if verdict.status != "faster" and verdict.was_judged:
        raise UsageError(
            f"{name} is {verdict.status.replace('_', ' ')}: {verdict.message}",
            remedy="Only a patch that is faster has a gain to take apart.",
        )
    started = state.started
    known = started.task_file if Path(started.task_file).is_file() else started.task
    return Asked(patch, name, task or known, folder.path)
