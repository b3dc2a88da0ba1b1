"""`harness verify PATCH --onto COMMIT...`: what became of a gain as its target went on.

Each version is a task of its own: its base is admitted, the patch goes onto it, and the two are timed against each
other. A version that cannot be judged is a row like the others and stops none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from harness.errors import AdmissionError, InfrastructureError, TaskError
from harness.events import Emit
from harness.git import GitError
from harness.merge.fit import Fits, fit
from harness.merge.kept_patch import KeptPatch, with_hashes
from harness.merge.versions import TargetVersion, versions_of
from harness.run import RunOptions, require_readable, verify_task
from harness.source import seal
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.temporary import temporary_folder
from harness.text import interval_text
from harness.verdict import Interval, Record, Verdict

Ending = Literal["judged", "already_there", "conflict", "base_refused", "not_there", "not_judged"]


class Onto(Record):
    """One version.

    Attributes:
        name: what it was asked for by.
        version: a commit's hash, or a release's version.
        date: when it was committed; empty for a release.
        ending: `judged`, or why not: the change is there already, it does not apply, the version's own base is not
            admitted (it does not build, fails its tests, or cannot be timed), the target is not in that version, or
            the harness failed.
        applies: how the patch went on; None where it was not tried.
        correct: whether it builds and passes tests and oracle; None where that is not known.
        speedup: over that version's base.
        message: one sentence.
        run: the run's folder, where there is one.
        verdict: the judge's.
    """

    name: str
    version: str
    short: str
    date: str
    ending: Ending
    applies: Fits | None = None
    correct: bool | None = None
    speedup: Interval | None = None
    message: str = ""
    run: str | None = None
    verdict: Verdict | None = None

    @property
    def word(self) -> str:
        """How it ended, in a word or two."""
        return (self.verdict.status if self.verdict and self.ending == "judged" else self.ending).replace("_", " ")

    @property
    def is_faster(self) -> bool:
        """Whether the gain is still there."""
        return self.verdict is not None and self.verdict.status == "faster"


class OntoReport(Record):
    """All versions, in the order they were named. `recorded` is what the patch came to when it was kept."""

    task: str
    patch: str
    recorded: Verdict | None
    versions: list[Onto]

    @property
    def sentence(self) -> str:
        """What it comes to."""
        asked = [each for each in self.versions if each.ending not in ("not_judged", "base_refused", "not_there")]
        there = sum(each.ending == "already_there" for each in asked)
        lost = next((each for each in asked if not each.is_faster and each.ending != "already_there"), None)
        told = f"Still faster on {sum(each.is_faster for each in asked)} of {len(asked) - there}"
        told += f", already there on {there}" if there else ""
        told += f"; lost first at {lost.name} ({lost.word})" if lost else ""
        unknown = len(self.versions) - len(asked)
        return f"{told}{f'; {unknown} could not be judged' if unknown else ''}."

    @property
    def exit_code(self) -> int:
        """0 when something could be said, 2 when no version can be worked on, 4 when the harness failed everywhere."""
        endings = {each.ending for each in self.versions}
        if endings <= {"not_judged"}:
            return 4
        return 2 if endings <= {"base_refused", "not_there", "not_judged"} else 0

    def meets(self, require: float) -> bool:
        """Whether it is faster by so much wherever it is not there already."""
        rows = [each for each in self.versions if each.ending != "already_there"]
        return all(each.is_faster and each.speedup is not None and each.speedup.low >= require for each in rows)


def verify_onto(
    kept: KeptPatch, names: Sequence[str], options: RunOptions, emit: Emit, tell: Callable[[str], None]
) -> OntoReport:
    """Judge a patch on every version that was named.

    Args:
        kept: the patch.
        names: see `versions_of`.
        options: where the runs go.
        emit: where their events go.
        tell: what is about to happen, a sentence at a time.

    Raises:
        UsageError: a version is not there; nothing was judged.
        StorageError, Interrupted: as a run.
    """
    require_readable(kept.file)
    loaded = load_task(options.task)
    rows: list[Onto] = []
    with temporary_folder("onto") as scratch:
        versions = versions_of(loaded, names, Path(scratch))
        patch, objects = with_hashes(kept, Path(scratch))
        for number, version in enumerate(versions.found):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            tell(f"{version.name} ({version.short}), {number + 1} of {len(versions.found)}")
            row = _one(patch, version, [*objects, *versions.objects], options, emit, folder)
            tell(f"{version.name}: {row.message}")
            rows.append(row)
    return OntoReport(task=loaded.task.name, patch=str(kept.file), recorded=kept.verdict, versions=rows)


def _one(
    patch: Path, version: TargetVersion, objects: list[Path], options: RunOptions, emit: Emit, folder: Path
) -> Onto:
    """One version: find it, put the patch onto it, judge it there."""
    row = Onto(name=version.name, version=version.version, short=version.short, date=version.date, ending="not_judged")
    try:
        task = version.task(folder)
        sealed = seal(task, folder / "sealed.git")
    except (GitError, TaskError) as error:
        why = "The target is not in that version." if isinstance(error, GitError) else str(error)
        return _ended(row, "not_there", why)
    except InfrastructureError as error:
        return _ended(row, "not_judged", str(error))
    found = fit(patch, sealed, objects, folder)
    row = row.model_copy(update={"applies": found.how})
    if found.how == "already_there":
        return _ended(row, "already_there", "The change is there already.")
    if found.how == "conflict":
        return _ended(row, "conflict", f"It does not apply: {found.message}")
    fitted = folder / "fitted.diff"
    fitted.write_bytes(found.text)
    return _judge(row, task, fitted, options, emit)


def _judge(row: Onto, task: LoadedTask, patch: Path, options: RunOptions, emit: Emit) -> Onto:
    try:
        outcome = verify_task(replace(options, task=str(task.file)), patch, emit, task=task)
    except (AdmissionError, TaskError) as error:
        return _ended(row, "base_refused", f"The version itself is not fit to be worked on: {error}")
    except InfrastructureError as error:
        return _ended(row, "not_judged", str(error))
    return _judged(row, outcome.verdicts[0], str(outcome.run_folder.path))


def _ended(row: Onto, ending: Ending, message: str) -> Onto:
    return row.model_copy(update={"ending": ending, "message": message})


def _judged(row: Onto, verdict: Verdict, run: str) -> Onto:
    timed = verdict.status in ("faster", "same", "slower")
    words = {"faster": "still faster", "same": "no longer faster", "slower": "slower now"}
    gained = f" {interval_text(verdict.speedup)}" if verdict.speedup else ""
    message = (
        f"{words[verdict.status]}:{gained}." if timed else f"{verdict.status.replace('_', ' ')}: {verdict.message}"
    )
    return row.model_copy(
        update={
            "ending": "not_judged" if verdict.status == "infra_failed" else "judged",
            "correct": None if verdict.status == "infra_failed" else timed,
            "speedup": verdict.speedup,
            "message": message,
            "run": run,
            "verdict": verdict,
        }
    )
