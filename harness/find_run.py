"""The run or the attempt that a person means by a name, a folder or nothing at all."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import UsageError
from harness.not_found import near, no_attempts, no_run, not_a_run
from harness.store import AttemptFolder, RunFolder, find_runs
from harness.verdict import REFERENCE
from harness.verdict_folder import holds_verdicts

LATEST = "latest"


def find_run(out: Path, name: str | None = None) -> RunFolder:
    """The run a person means: its name, its folder, a folder of kept verdicts, or `latest` (the default).

    Raises:
        UsageError: there is no such run; names the nearest, or says what stands there instead.
    """
    wanted = None if name in (None, "", LATEST) else name
    if wanted is not None and _is_run(Path(wanted)):
        return RunFolder(Path(wanted))
    runs = find_runs(out)
    found = next((run for run in runs if wanted in (None, run.name)), None)
    if found is not None:
        return found
    if wanted is not None and os.path.exists(wanted):  # noqa: PTH110 - Path's raises where it may not look
        folders = [place for place in (Path(wanted), Path(wanted) / "runs") if place.is_dir()]
        newest = next((found[0].path for found in map(find_runs, folders) if found), None)
        raise not_a_run(Path(wanted), newest)
    raise no_run(wanted, out, [run.name for run in runs])


def find_attempt(out: Path, name: str | None = None) -> AttemptFolder:
    """The attempt a person means: RUN/ATTEMPT, its folder, or a RUN that has a single attempt.

    Raises:
        UsageError: there is no such attempt, or RUN alone could mean several; names the nearest.
    """
    wanted = (name or LATEST).rstrip("/")
    run_name, slash, attempt_name = wanted.rpartition("/")
    # What is there and is no attempt's folder is told of by itself, not as an attempt of what it lies in.
    there = _is_run(Path(wanted)) or (os.path.exists(wanted) and not _is_run(Path(run_name)))  # noqa: PTH110
    if slash and not there:
        run = find_run(out, run_name)
        attempts = run.attempts
        for attempt in attempts:
            if attempt.name == attempt_name:
                return attempt
        if not attempts:
            raise no_attempts(run, find_runs(out))
        remedy = near(attempt_name, [attempt.name for attempt in attempts], f"`harness show {run.name}`")
        raise UsageError(f"The run {run.name} has no attempt {attempt_name}.", remedy=remedy)
    run = find_run(out, wanted)
    attempts = run.attempts
    # The reference patch stands beside the attempts; who names the run means what the agent did.
    made = [attempt for attempt in attempts if attempt.name != REFERENCE]
    if len(made) == 1:
        return made[0]
    if not attempts:
        raise no_attempts(run, find_runs(out))
    where = run.name if wanted == LATEST else wanted
    names = ", ".join(f"{where}/{attempt.name}" for attempt in attempts[:8])
    more = f" and {len(attempts) - 8} more" if len(attempts) > 8 else ""
    raise UsageError(f"The run {run.name} has {len(attempts)} attempts.", remedy=f"Say which: {names}{more}.")


def _is_run(path: Path) -> bool:
    return os.path.isfile(path / "journal.jsonl") or holds_verdicts(path)  # noqa: PTH113 - Path's raises for some names
