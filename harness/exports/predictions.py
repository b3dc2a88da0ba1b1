"""Patches as predictions: a line of JSON each, with the three keys that SWE-bench's evaluators read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from harness.exports.attempts import Export, JudgedAttempt, attempts_of
from harness.store import RunFolder
from harness.strict_json import strict_json
from harness.whole_file import whole_file

STDOUT = "-"


def write_predictions(runs: Iterable[RunFolder], target: Path, *, best: bool) -> Export:
    """Write the patch of every attempt.

    Args:
        runs: whose.
        target: a file; `-` for standard output.
        best: one for each task, agent and model only: the attempt that was judged best.

    Raises:
        StorageError: it cannot be written.
    """
    export = Export("predictions", str(target))
    found: Iterable[JudgedAttempt] = attempts_of(runs, export, controls=False)
    if best:
        found = _best(found)
    seen: dict[tuple[str, str], int] = {}
    with _opened(target) as file:
        for attempt in found:
            line = _line(attempt, export)
            if line is not None:
                key = (line["instance_id"], line["model_name_or_path"])
                seen[key] = seen.get(key, 0) + 1
                file.write(strict_json(line) + "\n")
                export.rows += 1
    export.attempts = export.rows
    several = sum(count > 1 for count in seen.values())
    if several:
        export.notes.append(
            f"{several} pairs of instance and model have several predictions; an evaluator that takes one of each "
            "takes the last it reads. --best keeps the one that was judged best, which is best-of-n and not one try."
        )
    return export


def model_name(attempt: JudgedAttempt) -> str:
    """Agent and model in one name, which evaluators make a folder of."""
    verdict = attempt.verdict
    return "__".join(filter(None, (verdict.agent, verdict.model)))


def _line(attempt: JudgedAttempt, export: Export) -> dict[str, str] | None:
    patch = attempt.patch()
    if patch is None:
        export.left_out.append(f"{attempt.name}: its patch is gone.")
        return None
    try:
        text = patch.decode("utf-8")
    except UnicodeDecodeError:
        export.left_out.append(f"{attempt.name}: its patch is not UTF-8, which no line of JSON can hold unchanged.")
        return None
    return {
        "instance_id": attempt.verdict.task,
        "model_name_or_path": model_name(attempt),
        "model_patch": text,
        "run": attempt.run.name,
        "attempt": attempt.verdict.attempt or "",
    }


def _best(attempts: Iterable[JudgedAttempt]) -> list[JudgedAttempt]:
    best: dict[tuple[str, str], JudgedAttempt] = {}
    for attempt in attempts:
        key = (attempt.verdict.task, model_name(attempt))
        if key not in best or _worth(attempt) > _worth(best[key]):
            best[key] = attempt
    return list(best.values())


def _worth(attempt: JudgedAttempt) -> tuple[int, float]:
    """A confirmed win by its interval's low end; then what was right and no faster; then everything else."""
    verdict = attempt.verdict
    if verdict.status == "faster" and verdict.speedup is not None:
        return 2, verdict.speedup.low
    if verdict.status in ("same", "slower") and verdict.speedup is not None:
        return 1, verdict.speedup.estimate
    return 0, 0.0


@contextmanager
def _opened(target: Path) -> Iterator[TextIO]:
    if str(target) == STDOUT:
        yield sys.stdout
        return
    with whole_file(target, "-o") as place, place.open("w", encoding="utf-8", newline="\n") as file:
        yield file
