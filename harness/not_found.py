"""What to say where somebody names a run or an attempt that is not there: what was found instead, and a way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.journal import is_being_written
from harness.store import RunFolder
from harness.text import printable
from harness.verdict_folder import read_state

START = "Start one with `harness run`, or point --out at another folder."
_MOST_NAMES = 8


def no_run(name: str | None, out: Path, runs: Sequence[str]) -> UsageError:
    """Neither a run in `out` nor a folder has this name; None means that any run would have done."""
    if name is None:
        return UsageError(f"There are no runs in {out}.", remedy=START)
    if not runs:
        return UsageError(f"There is no run {name}: there are no runs in {out}.", remedy=START)
    return UsageError(f"There is no run {name} in {out}.", remedy=near(name, runs, "`harness list`"))


def not_a_run(path: Path, newest: Path | None) -> UsageError:
    """There is such a folder or file, and it is no run.

    Args:
        path: what was named.
        newest: the newest of the runs that are in it or in its `runs`, if there are any.
    """
    if newest is not None:
        where = "in it" if newest.parent == path else f"in {newest.parent}"
        return UsageError(
            f"{path} is no run, but there are runs {where}.",
            remedy=f"--out {newest.parent} takes all of them; {newest} is the newest.",
        )
    if (kept := next(path.glob("*/*/verdict.json"), None)) is not None:
        return UsageError(
            f"{path} is no run, but there are kept verdicts in it.", remedy=f"Name their folder: {kept.parents[1]}."
        )
    if not path.is_dir():
        return UsageError(f"{path} is a file, not a run's folder.", remedy=_WHAT_A_RUN_IS)
    return UsageError(f"{path} is no run: there is neither a journal nor a verdict in it.", remedy=_WHAT_A_RUN_IS)


_WHAT_A_RUN_IS = (
    "`harness list` shows the runs, and --out DIR is for a folder of them. A run's own folder has a journal.jsonl, a "
    "folder of kept verdicts a verdict.json in a folder for each."
)


def no_attempts(run: RunFolder, others: Iterable[RunFolder]) -> UsageError:
    """A run ended before its first attempt, or has not come to it yet: why, and what to do about it.

    Args:
        run: the run.
        others: runs in which an attempt may be found instead, the newest first.
    """
    if is_being_written(run.journal):
        return UsageError(
            f"The run {run.name} has no attempts yet: its base is being admitted.",
            remedy=f"`harness watch {run.name}` follows it.",
        )
    error = read_state(run.path).error
    why = f" {printable(error.splitlines()[0])}" if error else ""
    ways = []
    if run.plan.is_file():
        mended = ", if the task stays as it is; a mended one needs a new run" if why else ""
        ways.append(f"`harness resume {run.name}` goes on with it{mended}.")
    if (last := next((each for each in others if each.attempts), None)) is not None:
        ways.append(f"The newest run with attempts is {last.name}.")
    return UsageError(
        f"The run {run.name} has no attempts: it ended before the first.{why}",
        remedy=" ".join(ways) or f"{run.journal} says what it did.",
    )


def near(wanted: str, names: Sequence[str], fallback: str) -> str:
    """The names that are most like the one that is not there; all of them where they are few."""
    likely = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    if likely:
        return f"Did you mean {' or '.join(likely)}?"
    if len(names) <= _MOST_NAMES:
        return f"There is: {', '.join(names) or 'none'}."
    return f"{fallback} shows all {len(names)}."
