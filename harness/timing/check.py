"""Correctness alone: every workload and some random ones through the candidate, held against the oracle."""

from __future__ import annotations

import random
from contextlib import ExitStack

from harness.errors import TaskError
from harness.timing.bench import Bench, Workload, last_line
from harness.timing.descendants import end_all_but
from harness.timing.fork_server import open_alone
from harness.timing.inputs import Given, derive_seed, make_given
from harness.timing.job import MeasureJob
from harness.timing.oracle import INPUTS_CHANGED, OutputWrong, check_output, inputs_changed
from harness.timing.session import Session

_CALLS = 2
VARIES = "the same inputs gave another output the second time (the bench says REPEATABLE = True)"
REPEATS = "the same inputs gave the same output twice, and it must vary (the bench says REPEATABLE = False)"


class Check:
    """Checks a candidate's outputs without timing them.

    Each workload is called twice with different inputs before either output is looked at: a result that lives
    in a buffer the next call writes over is wrong. Where the bench says whether outputs repeat, a third call gets
    the first one's inputs again.

    Args:
        job: whose candidate it is; its protocol gives the patience.
        bench: the task's bench.
        random_cases: how many of the bench's random workloads to add; none if it has no `random_workload`.
    """

    def __init__(self, job: MeasureJob, bench: Bench, random_cases: int) -> None:
        self._job = job
        self._bench = bench
        self._workloads = bench.listed(job.device, held_out=job.held_out) + self._random_workloads(random_cases)
        self.current: Workload | None = None

    def run(self) -> None:
        """Check everything; returns if all is right.

        Raises:
            OutputWrong: an output is wrong.
            ArmFailed: a worker failed; `current` is the workload it happened on.
        """
        with ExitStack() as stack:
            stack.callback(end_all_but, set())
            candidate = open_alone("candidate", self._job.candidate_root, self._job, self._bench, stack)
            for workload in self._workloads:
                self.current = workload
                self._check(workload, candidate, stack)

    def _check(self, workload: Workload, candidate: Session, stack: ExitStack) -> None:
        given = [
            make_given(self._bench, workload, derive_seed(self._job.seed, "check", workload.name, call))
            for call in range(_CALLS)
        ]
        if self._bench.repeatable is not None:
            given.append(given[0])
        seconds = self._job.protocol.patience_seconds
        self._run(candidate, given)
        outputs = []
        for index, each in enumerate(given):
            fetched = candidate.fetch(index, seconds)
            outputs.append(fetched.output_packed)
            if inputs_changed(each, fetched) and not self._base_changes(given, index, stack):
                raise OutputWrong(workload, INPUTS_CHANGED)
            check_output(self._bench, workload, each, fetched)
        if self._bench.repeatable is not None and (outputs[0] == outputs[-1]) is not self._bench.repeatable:
            raise OutputWrong(workload, VARIES if self._bench.repeatable else REPEATS)

    def _base_changes(self, given: list[Given], index: int, stack: ExitStack) -> bool:
        """Whether the base, too, changes its inputs: then doing so is what the operation is for."""
        base = open_alone("base", self._job.base_root, self._job, self._bench, stack)
        self._run(base, given)
        return inputs_changed(given[index], base.fetch(index, self._job.protocol.patience_seconds))

    def _run(self, arm: Session, given: list[Given]) -> None:
        seconds = self._job.protocol.patience_seconds
        arm.give([each.packed for each in given], seconds)
        arm.confirm_given(seconds)
        arm.run(len(given), seconds)

    def _random_workloads(self, cases: int) -> list[Workload]:
        make = self._bench.random_workload
        if make is None:
            return []
        rng = random.Random(derive_seed(self._job.seed, "random workloads"))
        try:
            return [make(rng, self._job.device) for _ in range(cases)]
        except Exception as error:
            raise TaskError(f"{self._bench.file}: random_workload failed: {last_line(error)}") from error
