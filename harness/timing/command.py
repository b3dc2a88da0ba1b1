"""`mode: command`: any program, timed whole or by a number it prints, in base and candidate checkouts in turn.

Every run is a fresh process in a fresh copy of its arm's tree, with a home of its own, so that nothing one run
leaves is there for the next. A session is a few pairs in random order; its value is the median log ratio, and the
statistics, looks and stopping rule are those of every other mode. What a run prints is held against the base's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from harness.errors import TaskError
from harness.sandbox.workers import program_sandbox
from harness.timing.bench import Bench, Workload
from harness.timing.command_arms import Arms, Reading, command_of, require_equal, spec_of
from harness.timing.experiment import Experiment
from harness.timing.inputs import derive_seed
from harness.timing.job import MeasureJob
from harness.timing.measurement import Measurement, Progress, Refusal, Sample
from harness.timing.printed import COARSEST_STEP, coarse_flag, coarseness, wall_clock_says
from harness.timing.sequential import Stopped
from harness.timing.servers import Servers
from harness.timing.session_record import SessionRecord, in_random_order, pair_order
from harness.timing.statistics import Estimate

SESSION_SECONDS = 1.0
MOST_PAIRS = 4


class CommandExperiment(Experiment):
    """Times commands in turn until a look ends it."""

    def __init__(self, job: MeasureJob, on_progress: Callable[[Progress], None]) -> None:
        super().__init__(job, command_bench(job), on_progress)
        self._spec = spec_of(job)
        self._stack = ExitStack()
        self._arms: Arms | None = None
        self._pairs: dict[str, int] = {}
        self._limits: dict[str, float] = {}

    def run(self) -> Measurement | Refusal:
        """See `Experiment.run`."""
        with self._stack:
            self._arms = Arms(self._job, self._stack)
            return super().run()

    def _one_session(self, servers: Servers) -> None:
        number, arms = len(self._records), self._arms
        if arms is None:
            raise RuntimeError("sessions belong to run()")
        if number == 0:
            for workload in self._workloads:
                self.current = workload
                self._plan(workload, *arms.inspect(workload))
        arms.base.time_nothing()
        record = SessionRecord()
        for workload in in_random_order(self._workloads, random.Random(derive_seed(self._job.seed, "order", number))):
            self.current = workload
            record.samples += self._time(arms, workload, number)
        self.current = None
        self._records.append(record)

    def _plan(self, workload: Workload, base: Reading, candidate: Reading) -> None:
        if base.step > COARSEST_STEP:
            raise TaskError(
                f"Command {workload.name}: the last digit of the number it prints is worth {base.step:.0%} of it.",
                remedy="Let it print more digits, or leave metric.number out: then the whole process is timed.",
            )
        pair_seconds = (base.wall_us + candidate.wall_us) / 1e6
        self._pairs[workload.name] = max(1, min(MOST_PAIRS, int(SESSION_SECONDS / pair_seconds)))
        self._limits[workload.name] = self._job.protocol.patience_seconds + 20 * base.wall_us / 1e6

    def _time(self, arms: Arms, workload: Workload, number: int) -> list[Sample]:
        command, limit = command_of(self._spec, workload), self._limits[workload.name]
        rng = random.Random(derive_seed(self._job.seed, "pairs", workload.name, number))
        first = pair_order(self._pairs[workload.name], rng)
        samples = []
        for index, candidate_first in enumerate(first):
            seed = derive_seed(self._job.seed, workload.name, number, index)
            order = (arms.candidate, arms.base) if candidate_first else (arms.base, arms.candidate)
            found = {arm.role: arm.run(command, seed, limit) for arm in order}
            base, ours = found["base"], found["candidate"]
            require_equal(workload, base, ours)
            samples.append(
                Sample(
                    session=number,
                    workload=workload.name,
                    base_us=base.cost_us,
                    candidate_us=ours.cost_us,
                    candidate_first=candidate_first,
                    calls=1,
                    base_worker_us=base.wall_us,
                    candidate_worker_us=ours.wall_us,
                    coarseness=coarseness(base.step, ours.step),
                )
            )
        return samples

    def _audit(self) -> Refusal | None:
        for workload in self._workloads:
            problem, _ = wall_clock_says(self._spec, workload.name, self._samples(workload))
            if problem is not None:
                return Refusal(
                    cause="clock_mismatch", message=problem, workload=workload.name, held_out=workload.held_out
                )
        return None

    def _measurement(self, estimate: Estimate, stopped: Stopped, seconds: float) -> Measurement:
        found = super()._measurement(estimate, stopped, seconds)
        said = [wall_clock_says(self._spec, each.name, self._samples(each))[1] for each in self._workloads]
        said += [coarse_flag(each.name, chain(*self._samples(each))) for each in self._workloads]
        confined = program_sandbox(self._job.sandbox, self._job.device)
        flags = [flag for flag in said if flag is not None]
        return found.model_copy(update={"flags": flags, "worker_sandbox": confined})

    def _samples(self, workload: Workload) -> list[list[Sample]]:
        return [[each for each in record.samples if each.workload == workload.name] for record in self._records]


class CommandCheck:
    """Holds a candidate's outputs against the base's, and against the task's check, without timing them."""

    def __init__(self, job: MeasureJob) -> None:
        self._job = job
        self._workloads = command_bench(job).listed(job.device, held_out=job.held_out)
        self.current: Workload | None = None

    def run(self) -> None:
        """Check every command; returns if all is right. Raises as `Arms.inspect`."""
        with ExitStack() as stack:
            arms = Arms(self._job, stack)
            for workload in self._workloads:
                self.current = workload
                arms.inspect(workload)


class CommandProfile:
    """Says where a profile of a command is to be had: not here, for no part of it runs in a process of ours."""

    current: Workload | None = None

    def run(self) -> str:
        """The advice."""
        return "A command is timed whole: profile it with the shell, as you would by hand (python -m cProfile, perf)."


def command_bench(job: MeasureJob) -> Bench:
    """The commands as a bench that can only list its workloads: a command has neither inputs nor outputs of ours."""
    spec = spec_of(job)
    listed = [
        Workload(name=each.name, held_out=each.held_out, params={"command": " ".join(each.arguments[-1:])})
        for each in spec.commands
    ]
    return listing_bench("metric.command", listed)


def listing_bench(file: str, workloads: list[Workload]) -> Bench:
    """A bench that lists workloads and can do nothing else."""
    return Bench(
        file=Path(file),
        workloads=lambda device: workloads,
        make_inputs=lambda workload, seed: None,
        check=lambda workload, inputs, outputs: None,
        random_workload=None,
        repeatable=None,
        call_source="",
        load_source=None,
        preload=(),
    )
