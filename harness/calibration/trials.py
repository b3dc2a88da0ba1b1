"""Trials whose outcome is known: base against base, and base against base with one arm slowed by a known fraction.

Every trial is a whole measurement through `timing.client.measure`, the call that judges patches, with the same
protocol, looks and stopping rule, and with a seed of its own. Half of the trials are A/A. The others slow one arm:
the candidate's, which then is slower by a known factor, or the base's, against which the candidate is faster by it.
Kinds alternate from trial to trial, so that a machine whose noise drifts does so for all of them, and so that a
calibration that is cut short has some of each.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import fmean

from pydantic import Field

from harness.errors import InfrastructureError, UsageError
from harness.selection import values_by_workload
from harness.timing.bench import extra_calls
from harness.timing.client import measure
from harness.timing.gpu_graph import MOST_UNROLLED
from harness.timing.job import MeasureJob
from harness.timing.measurement import Measurement, WrongOutput
from harness.verdict import Device, Interval, Record, WorkloadResult

SLOWDOWNS = (0.02, 0.05)
_MOST_FAILURES = 3


class Condition(Record):
    """One kind of trial.

    Attributes:
        base_slowdown: fraction of a call by which the base's arm is slowed.
        candidate_slowdown: the same for the candidate's.
    """

    base_slowdown: float = 0.0
    candidate_slowdown: float = 0.0

    @property
    def nominal(self) -> float:
        """The speedup that was asked for."""
        return (1 + self.base_slowdown) / (1 + self.candidate_slowdown)

    @property
    def name(self) -> str:
        """For tables: `A/A`, `2 % faster`, `5 % slower`."""
        if self.base_slowdown:
            return f"{self.base_slowdown * 100:g} % faster"
        return f"{self.candidate_slowdown * 100:g} % slower" if self.candidate_slowdown else "A/A"


class Trial(Record):
    """One measurement of known outcome.

    Attributes:
        condition: what was done to the arms.
        truth: the speedup that was really there. In mode `device` that depends on how many calls a graph holds.
        seed: its seed; the same seed gives the same inputs and orders again.
        speedup: what came out, with its interval; None where it was refused.
        workloads: the same for each workload.
        values: raw data: each workload's session values, logarithms of base time / candidate time.
        sessions: how many sessions it took.
        stopped: why it ended.
        seconds: wall time.
        refused: why an arm was refused, although both hold the same code; None for a trial that ended in numbers.
    """

    condition: Condition
    truth: float = 1.0
    seed: int
    speedup: Interval | None = None
    workloads: list[WorkloadResult] = Field(default_factory=list)
    values: dict[str, list[float]] = Field(default_factory=dict)
    sessions: int = 0
    stopped: str = ""
    seconds: float = 0.0
    refused: str | None = None


@dataclass(frozen=True)
class Schedule:
    """How much is measured.

    Attributes:
        trials: A/A trials; the injected kinds together get as many.
        seconds: no trial is begun that would not be over by then; None for no limit.
        slowdowns: fractions to inject; none for A/A alone.
        done: how many of the trials an earlier session has made.
    """

    trials: int
    seconds: float | None = None
    slowdowns: tuple[float, ...] = SLOWDOWNS
    done: int = 0

    @property
    def conditions(self) -> list[Condition]:
        """All trials' kinds, in order."""
        injected = [Condition(base_slowdown=each) for each in self.slowdowns]
        injected += [Condition(candidate_slowdown=each) for each in self.slowdowns]
        order: list[Condition] = []
        turn = cycle(injected)
        for _ in range(self.trials):
            order.append(Condition())
            if injected:
                order.append(next(turn))
        return order


def true_speedup(condition: Condition, found: Measurement, mode: str) -> float:
    """The speedup that was really put in.

    Raises:
        UsageError: nothing was, because the calls could not be captured.
    """
    if mode != "device" or condition == Condition():
        return condition.nominal
    if not found.graph_safe:
        raise UsageError(
            "The bench's calls cannot be captured into a CUDA graph, so nothing can be injected in mode device.",
            remedy="Calibrate in mode latency or throughput.",
        )
    logs = []
    for workload in found.workloads:
        # The double sample aside, a sample is one replay, or several of the largest graph.
        least = min(each.calls for each in found.samples if each.workload == workload.name)
        calls = min(least, MOST_UNROLLED)
        base, candidate = (
            1 + extra_calls(calls, each) / calls for each in (condition.base_slowdown, condition.candidate_slowdown)
        )
        logs.append(math.log(base / candidate))
    return math.exp(fmean(logs))


class Session:
    """A calibration under way: its trials so far, those of an earlier session among them, and their machine."""

    def __init__(self, trials: Sequence[Trial] = (), device: Device | None = None) -> None:
        self.trials = list(trials)
        self.device = device
        self.interrupted = False

    def run(self, job: MeasureJob, schedule: Schedule, on_trial: Callable[[Trial], None]) -> None:
        """Run the schedule, or as much of it as fits; Ctrl-C ends it and keeps what is done.

        Args:
            job: a measurement of the base against itself.
            schedule: how much.
            on_trial: told after every trial.

        Raises:
            TaskError, AdmissionError: the bench is wrong, or the base's output is.
            InfrastructureError: measurements fail one after another.
        """
        failures = 0
        try:
            for condition in self._in_time(schedule):
                try:
                    trial = self._trial(job, condition)
                except InfrastructureError:
                    failures += 1
                    if failures >= _MOST_FAILURES:
                        raise
                    continue
                failures = 0
                self.trials.append(trial)
                on_trial(trial)
        except KeyboardInterrupt:
            self.interrupted = True

    def _in_time(self, schedule: Schedule) -> Iterator[Condition]:
        start = time.monotonic()
        for done, condition in enumerate(schedule.conditions[schedule.done :]):
            spent = time.monotonic() - start
            if done and schedule.seconds is not None and spent + spent / done > schedule.seconds:
                return
            yield condition

    def _trial(self, job: MeasureJob, condition: Condition) -> Trial:
        seed = secrets.randbits(53)
        start = time.monotonic()
        found = measure(job.model_copy(update={"seed": seed, **condition.model_dump()}), lambda _: None)
        seconds = round(time.monotonic() - start, 3)
        if not isinstance(found, Measurement):
            cause = "wrong_output" if isinstance(found, WrongOutput) else found.cause
            detail = found.detail if isinstance(found, WrongOutput) else found.message
            return Trial(condition=condition, seed=seed, seconds=seconds, refused=f"{cause}: {detail}")
        self.device = found.device
        values = values_by_workload(found.samples)
        return Trial(
            condition=condition,
            truth=true_speedup(condition, found, job.mode),
            seed=seed,
            speedup=found.speedup,
            workloads=found.workloads,
            values={name: [round(value, 7) for value in each] for name, each in values.items()},
            sessions=found.sessions,
            stopped=found.stopped,
            seconds=seconds,
        )
