"""The page that holds two attempts, or two runs, side by side. Which two stands in its address, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from harness.compare import Measured, compare_measured
from harness.compare_display import ATTEMPT_ROWS, RUN_ROWS, rate_text, tested_text
from harness.compare_runs import RunVerdicts, compare_verdicts, means_runs
from harness.errors import UsageError
from harness.report.compare_charts import runs_chart, workloads_chart
from harness.report.hidden import revealed
from harness.report.highlight import view_diff
from harness.report.material import AttemptMaterial, RunMaterial
from harness.verdict import REFERENCE, Verdict
from harness.view.library import Library

_MOST_NAMES = 300
_MOST_LIKELY = 12


@dataclass(frozen=True)
class Side:
    """What one of the two names means: a run, or an attempt of it."""

    run: RunMaterial
    attempt: AttemptMaterial | None = None

    @property
    def name(self) -> str:
        """RUN or RUN/ATTEMPT."""
        return f"{self.run.name}/{self.attempt.name}" if self.attempt else self.run.name

    @property
    def verdicts(self) -> RunVerdicts:
        """The run's verdicts, for a comparison of runs."""
        return RunVerdicts(self.run.name, self.run.verdicts)

    def the_attempt(self) -> AttemptMaterial:
        """The attempt that is named, or the only one of the run that is.

        Raises:
            UsageError: the run has none, or several.
        """
        if self.attempt:
            return self.attempt
        # The reference patch stands beside the attempts; who names the run means what the agent did.
        made = [each for each in self.run.attempts if each.name != REFERENCE]
        if len(made) != 1:
            raise UsageError(
                f"{self.run.name} is a run of {len(made)} attempts, and the other is one attempt: say which."
            )
        return made[0]


def compare_address(first: str, second: str = "") -> str:
    """The address at which two stand side by side."""
    return "/compare?" + urlencode([("a", first), *([("b", second)] if second else [])])


def comparison(library: Library, first: str, second: str) -> dict[str, Any]:
    """What the template shows of two names, both of which may be empty.

    Raises:
        UsageError: a name is nobody's.
        HarnessError: a run cannot be read.
    """
    sides = [_find(library, name) if name else None for name in (first, second)]
    values = _nothing(library, first, second, sides)
    one, two = sides
    if one and two:
        try:
            values |= _compared(one, two)
        except UsageError as error:
            values["problem"] = str(error)
    return values


def refused(library: Library, first: str, second: str, problem: str) -> dict[str, Any]:
    """The same page where nothing can be compared, with the reason."""
    values = _nothing(library, "", "", [])
    # The names are nobody's, so they may be shown in place of themselves.
    return {**values, "asked": {"a": revealed(first), "b": revealed(second)}, "problem": problem}


def _find(library: Library, name: str) -> Side:
    run_name, _, attempt_name = name.strip().strip("/").partition("/")
    folder = library.find(run_name)
    if folder is None:
        raise UsageError(f"There is no run {run_name} in {library.folder}.")
    run = library.run(folder)
    if not attempt_name:
        return Side(run)
    attempt = next((each for each in run.attempts if each.name == attempt_name), None)
    if attempt is None:
        raise UsageError(f"The run {run_name} has no attempt {attempt_name}.")
    return Side(run, attempt)


def _nothing(library: Library, first: str, second: str, sides: Sequence[Side | None]) -> dict[str, Any]:
    given = [side for side in sides if side]
    return {
        "asked": {"a": first, "b": second},
        "swapped": compare_address(second, first) if first and second else "",
        "names": _names(library, given),
        "likely": _likely(library, given[0]) if len(given) == 1 else [],
        "problem": "",
        "result": None,
        "facts": [],
        "chart": None,
        "workloads": [],
        "patches": [],
        "same_patch": False,
        "best": "",
    }


def _names(library: Library, given: Sequence[Side]) -> list[str]:
    """What the fields offer: attempts of the runs that are named, and all runs."""
    attempts = [f"{side.run.name}/{each.name}" for side in given for each in side.run.ranked]
    return list(dict.fromkeys([*attempts, *(folder.name for folder in library.runs())]))[:_MOST_NAMES]


def _likely(library: Library, given: Side) -> list[dict[str, Any]]:
    """What the one that is named is likely to be compared with: the best of its run, and of others of its task."""
    started = given.run.state.started
    runs = [
        line.folder
        for line in library.lines()
        if started and line.state.started and line.state.started.task == started.task and line.judged
    ]
    others = [library.run(folder) for folder in runs if folder.name != given.run.name][:_MOST_LIKELY]
    if given.attempt is None:
        found = [Side(run) for run in others]
    else:
        beside = [Side(given.run, each) for each in given.run.ranked if each is not given.attempt and each.verdict]
        found = beside[:_MOST_LIKELY] + [Side(run, run.best) for run in others if run.best]
    return [
        {
            "name": side.name,
            "address": compare_address(given.name, side.name),
            "attempt": side.attempt or side.run.best,
        }
        for side in found
    ]


def _compared(one: Side, two: Side) -> dict[str, Any]:
    if one.attempt is None and two.attempt is None and means_runs(one.verdicts, two.verdicts):
        return _runs(one, two)
    return _attempts(one, two)


def _runs(one: Side, two: Side) -> dict[str, Any]:
    found = compare_verdicts(one.verdicts, two.verdicts)
    best = [side.run.best for side in (one, two)]
    return {
        "result": _result(found.conclusion, found.sentence, [rate_text(found)]),
        "facts": [(name, of(found.first), of(found.second)) for name, of in RUN_ROWS.items()],
        "links": [(side.name, f"/runs/{side.run.name}") for side in (one, two)],
        "chart": runs_chart(one.verdicts, two.verdicts, found),
        "best": compare_address(
            *(f"{side.run.name}/{each.name}" for side, each in zip((one, two), best, strict=True) if each)
        ),
    }


def _attempts(one: Side, two: Side) -> dict[str, Any]:
    sides = [Side(side.run, side.the_attempt()) for side in (one, two)]
    made = [side.the_attempt() for side in sides]
    found = compare_measured(*(_measured(side) for side in sides))
    patches = [verdict.patch.sha256 if verdict.patch else None for verdict in (found.first, found.second)]
    return {
        "result": _result(found.conclusion, found.sentence, [tested_text(found)]),
        "facts": [(name, of(found.first), of(found.second)) for name, of in ATTEMPT_ROWS.items()],
        "links": [
            (side.name, f"/runs/{side.run.name}/attempts/{each.name}") for side, each in zip(sides, made, strict=True)
        ],
        "chart": workloads_chart(found),
        "workloads": found.workloads,
        "patches": [(view_diff(each.patch.text), each.patch.left_out) for each in made],
        "same_patch": patches[0] is not None and patches[0] == patches[1],
    }


def _measured(side: Side) -> Measured:
    attempt = side.the_attempt()
    verdict: Verdict | None = attempt.verdict
    if verdict is None:
        raise UsageError(f"{side.name} has no verdict yet.")
    return Measured(verdict, attempt.measurement.samples if attempt.measurement else [])


def _result(conclusion: str, sentence: str, notes: Sequence[str]) -> dict[str, Any]:
    tones = {"second_faster": "good", "first_faster": "good", "alike": "plain", "not_tested": "look"}
    return {"tone": tones[conclusion], "sentence": sentence, "notes": [note for note in notes if note]}
