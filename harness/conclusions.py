"""What judging says in the end: a measured patch's status and sentence, and what a wrong or untimeable one ends in."""

from __future__ import annotations

from collections.abc import Callable

from harness.admission import explain
from harness.errors import AttemptEnded, Incorrect, InfraFailed, Rejected, Status
from harness.events import Phase
from harness.text import interval_text
from harness.timing.client import check_outputs
from harness.timing.job import MeasureJob
from harness.timing.measurement import Measurement, Refusal, WrongOutput


def measure_twice(timed: Callable[[Phase], Measurement], min_effect: float) -> tuple[Measurement, Measurement | None]:
    """Measure a patch, and once more where it looks like a win.

    The best of many looks lucky more often than not: a win counts only if it comes back, in fresh processes.

    Returns:
        The selection, and the confirmation where there was something to confirm; the last of them is published.
    """
    selection = timed("timing")
    return selection, timed("confirmation") if selection.speedup.low > 1 + min_effect else None


def conclude(
    published: Measurement, min_effect: float, *, confirmed: Measurement | None
) -> tuple[Status, str | None, str]:
    """Status, cause and sentence for a measured patch."""
    speedup = published.speedup
    interval = interval_text(speedup)
    worst = min(published.workloads, key=lambda result: result.speedup.estimate)
    if confirmed is not None and speedup.low > 1 + min_effect:
        tail = f"; slowest workload {worst.name} at {interval_text(worst.speedup)}"
        return "faster", None, f"{interval} as fast as the base, confirmed in fresh processes{tail}."
    if confirmed is not None:
        return "same", "not_confirmed", f"A first look said faster; measured once more it is {interval}."
    if speedup.high < 1 - min_effect:
        return "slower", None, f"{interval} as fast as the base: slower."
    return (
        "same",
        "within_noise",
        f"No difference worth a claim: {interval}, and less than {min_effect:.1%} is noise here.",
    )


def with_workload(failure: Incorrect, job: MeasureJob) -> Incorrect:
    """A failed test says what is broken in its own words; the bench names a workload and an element, if it can."""
    if failure.cause != "test_failed":
        return failure
    wrong = check_outputs(job, random_cases=0)
    if not isinstance(wrong, WrongOutput):
        return failure
    return Incorrect(failure.cause, f"{failure.message} On the bench, {explain(wrong)}")


def ending(problem: WrongOutput | Refusal) -> AttemptEnded:
    """How an attempt ends whose patched tree gives a wrong output, or cannot be timed."""
    if isinstance(problem, WrongOutput):
        return Incorrect("wrong_output", explain(problem))
    where = f"workload {problem.workload}: " if problem.workload else ""
    kinds: dict[Status, type[AttemptEnded]] = {"rejected": Rejected, "infra_failed": InfraFailed}
    return kinds.get(problem.status, Incorrect)(problem.cause, f"{where}{problem.message}")
