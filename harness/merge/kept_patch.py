"""What a person means by PATCH: a file, or the patch that an attempt left, which knows its task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import Rejected, TaskError, UsageError
from harness.events import RunStarted
from harness.find_run import find_attempt
from harness.journal import read_events
from harness.merge.base import old_base
from harness.options import RunOptions
from harness.patch import apply, take_diff
from harness.run_state import fold
from harness.show import patch_file
from harness.source import seal
from harness.store import AttemptFolder
from harness.task_file import load_task
from harness.verdict import Verdict


@dataclass(frozen=True)
class KeptPatch:
    """A patch to be judged.

    Attributes:
        file: the diff.
        options: what was asked for, with the task.
        verdict: what it came to when it was judged before, where that is known.
        started: the run that it was judged in, where that is known.
    """

    file: Path
    options: RunOptions
    verdict: Verdict | None = None
    started: RunStarted | None = None


def kept_patch(named: Path, options: RunOptions) -> KeptPatch:
    """Find the patch, and the task that it is for.

    Raises:
        UsageError: there is no such patch, or nobody knows its task.
    """
    attempt = None if named.is_file() else _attempt(named, options)
    if attempt is None:
        # One that is not there is told so before anything else.
        return KeptPatch(named, _with_task(options, named) if named.exists() else options)
    name = f"{attempt.run.name}/{attempt.name}"
    state = fold(read_events(attempt.run.journal))
    verdict = state.attempts[attempt.name].verdict if attempt.name in state.attempts else None
    file = patch_file(verdict, attempt) if verdict else attempt.patch
    if file is None or not file.resolve().is_relative_to(attempt.run.path.resolve()) or not file.is_file():
        raise UsageError(f"{name} left no patch: there is nothing to judge.")
    if not options.task and state.started is not None:
        task = state.started.task_file if Path(state.started.task_file).is_file() else state.started.task
        options = replace(options, task=task)
    return KeptPatch(file, _with_task(options, named), verdict, state.started)


def _attempt(named: Path, options: RunOptions) -> AttemptFolder | None:
    """The attempt of that name; None where there is not even such a run."""
    try:
        return find_attempt(options.out, str(named))
    except UsageError:
        run = str(named).partition("/")[0]
        if (options.out / run / "journal.jsonl").is_file():
            raise
        return None


def _with_task(options: RunOptions, named: Path) -> RunOptions:
    if options.task:
        return options
    raise UsageError(f"{named} does not say which task it is for.", remedy="Name the task file with --task.")


def with_hashes(kept: KeptPatch, scratch: Path) -> tuple[Path, list[Path]]:
    """The patch as git itself makes it on its base: only a diff that names its files' hashes can be merged three ways.

    Args:
        kept: the patch; its base is the run's, or the task's own of today.
        scratch: a folder of ours.

    Returns:
        The patch's file, and folders of git objects with its base's files. The file as it is, and none, where the patch
        does not fit any base that is known.
    """
    checkout, file = scratch / "kept", scratch / "kept.diff"
    try:
        if kept.started is not None:
            base = old_base(kept.started, kept.options.task, scratch / "kept.git").repository
        else:
            base = seal(load_task(kept.options.task), scratch / "kept.git")
        base.check_out(checkout)
        apply(base, kept.file, checkout)
    except (UsageError, TaskError, Rejected):
        return kept.file, []
    file.write_bytes(take_diff(base, checkout).text)
    return file, [base.path / "objects"]
