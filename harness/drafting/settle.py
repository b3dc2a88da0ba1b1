"""Trying a draft on the base before anybody sees it, and taking back what does not hold."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from harness.admission import NOISE_PROTOCOL, RANDOM_CASES, explain, job_for, resolve_device
from harness.correctness import run_tests
from harness.drafting.draft import Draft, write_draft
from harness.drafting.record import mentions
from harness.errors import TaskError
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.text import printable
from harness.timing.client import check_outputs
from harness.timing.measurement import Refusal, WrongOutput

LEAST_TRIED = 8
_MOST_TRIES = 7
_TEST_SECONDS = 300.0
_SEED = 20_000
Say = Callable[[str], None]


def settle(draft: Draft, space: Path, checkout: Path, say: Say) -> tuple[str | None, int]:
    """Try the draft on the base, and take back what does not hold: the smallest sizes, then the larger ones.

    Returns:
        What is still wrong, and how many tests pass.
    """
    folder = space / "draft"
    say("trying the draft on the base ...")
    problem: str | None = None
    for _ in range(_MOST_TRIES):
        found = _outputs(_load(draft, folder, checkout), checkout, space)
        problem = found if found is None or isinstance(found, str) else _in_a_line(explain(found))
        if found is None or isinstance(found, str) or not _take_back(draft, str(found.workload)):
            break
        say(f"  {printable(str(problem))}; trying without")
    if problem is None and draft.least is not None and draft.least > 0:
        draft.notes.append(f"random_workload: sizes below {draft.least} fail on the base and are left out")
    return problem, _tests(draft, folder, space, checkout, say)


def _in_a_line(problem: str) -> str:
    """A traceback's last line is what happened; the rest of it is of files that are gone by the time it is read."""
    before, traceback, after = problem.partition("Traceback (most recent call last):")
    return before + after.strip().splitlines()[-1] if traceback and after.strip() else problem


def _load(draft: Draft, folder: Path, checkout: Path) -> LoadedTask:
    source = draft.source
    draft.source = {"path": os.path.relpath(checkout, folder)}
    folder.mkdir(exist_ok=True)
    loaded = load_task(str(write_draft(draft, folder, checkout)))
    draft.source = source
    return loaded


def _outputs(loaded: LoadedTask, checkout: Path, space: Path) -> WrongOutput | Refusal | str | None:
    job = job_for(
        loaded,
        checkout,
        checkout,
        space / "oracle",
        device=resolve_device(loaded.task.metric.device),
        seed=_SEED,
        held_out=True,
        protocol=NOISE_PROTOCOL,
    )
    try:
        return check_outputs(job, random_cases=RANDOM_CASES)
    except TaskError as error:
        return str(error)


def _take_back(draft: Draft, workload: str) -> bool:
    """Give up what failed; False where nothing is left to be given up."""
    if workload.startswith("random-"):
        draft.least = (
            {0: 1, 1: 2, 2: LEAST_TRIED, LEAST_TRIED: None}.get(draft.least) if draft.least is not None else None
        )
        return True
    if draft.grows:
        draft.grows = False
        return True
    return False


def _tests(draft: Draft, folder: Path, space: Path, checkout: Path, say: Say) -> int:
    """Find public tests that pass, and see that the hidden ones do; those that fail on the base are left out."""
    prefix = "PYTHONPATH=src " if draft.function.import_root != "." else ""
    own = mentions(checkout, draft.function.name)
    any_tests = [name for name in ("tests", "test") if (checkout / name).is_dir()]
    commands = [f"{prefix}python -m pytest -q {' '.join(any_tests)}"] if any_tests else []
    commands += [f"{prefix}python -m pytest -q {' '.join(map(shlex.quote, own))}"] if own else []
    passed = 0
    for command in [*commands, ""]:
        draft.public = [command] if command else []
        say(f"trying {command or 'the hidden tests'} ...")
        found = run_tests(
            _load(draft, folder, checkout), checkout, space / "tests", None, hidden=True, seconds=_TEST_SECONDS
        )
        ours = f"test_{draft.name.replace('-', '_')}::"
        if any(ours in name for name in found.failed):
            draft.cases = []
            draft.notes.append("tests.hidden: calls that were seen do not give the same again, so none is kept: is it "
                               "deterministic?")  # fmt: skip
            return _tests(draft, folder, space, checkout, say)
        passed = len(found.passed)
        if not found.failed and not found.broken:
            break
        reason = next(iter({**found.failed, **found.broken}.items()))
        say(f"  {printable(reason[0])}: {printable(reason[1])}")
    return passed
