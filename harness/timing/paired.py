"""One session: two fresh processes, base and candidate, timed in turns on the same inputs.

Every sample is clocked here, around one request to run K calls. What the request itself costs (a message there
and back, waking a process) is measured on the base's process with requests to run nothing, and taken off both
arms; the candidate's own empty requests are not used, for it could make them slow. They are made all the same, one
ahead of every sample: a process that was woken a moment ago wakes sooner, and when only the base was, calibration
found every candidate 0.5 % slower than it is. Taking off too much would
stretch every ratio and too little shrinks it towards 1, so what is taken off is the round trip at its quickest (the
lower decile), and never more than half of a sample. K is chosen so that it is small either way.

On a GPU the two processes take turns on it, too: an empty request goes ahead of every sample, untimed, so that the
switch between them is over when the clock starts.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from harness.timing.alone import MOST_CALLS, Alone
from harness.timing.bench import Bench, Workload
from harness.timing.cpu_outside import CpuOutside
from harness.timing.inputs import Given, derive_seed, make_given
from harness.timing.job import MeasureJob
from harness.timing.measurement import Sample
from harness.timing.oracle import INPUTS_CHANGED, OutputWrong, check_output, inputs_changed
from harness.timing.session import Role, Session, Timing
from harness.timing.session_record import BaseFailed, Plan, SessionRecord, pair_order, pairs_within

_PILOT_CALLS = 8
_TRIES = 8
_SHORT_CALL_MS = 1.0
_SLOW_CALL_MS = 5.0
_LEAST_CORES = 4
_BYTES_AT_ONCE = 64 << 20


class PairedSession:
    """Times every workload in two fresh sessions.

    Args:
        job: what is measured.
        bench: the task's bench.
        number: this session's number, from 0; the first checks more.
        base: session of the base arm, set up.
        candidate: session of the candidate arm, set up.
        changes_inputs: names of workloads whose inputs the base itself changes; the first session fills it.
        after_sample: told whose sample has just been timed.
    """

    def __init__(
        self,
        job: MeasureJob,
        bench: Bench,
        number: int,
        base: Session,
        candidate: Session,
        changes_inputs: set[str],
        after_sample: Callable[[Role], None] = lambda _: None,
    ) -> None:
        self._job = job
        self._bench = bench
        self._number = number
        self._base = base
        self._candidate = candidate
        self._changes_inputs = changes_inputs
        self._after_sample = after_sample
        self._random = random.Random(derive_seed(job.seed, "order", number))
        self._inputs_made = 0
        self._seen: set[int] = set()
        self._round_trips: list[int] = []
        self.record = SessionRecord()

    def plan(self, workload: Workload) -> Plan:
        """Warm a workload up, check both arms' outputs, and find out how long a call takes.

        Raises:
            OutputWrong: the candidate's output is wrong.
            BaseFailed: the base's is.
            ArmFailed: a worker failed.
        """
        protocol = self._job.protocol
        patience = protocol.patience_seconds
        given = self._give(workload, max(2, protocol.warmup_calls), patience)
        for arm in (self._base, self._candidate):
            arm.run(len(given), patience)
            self._check(workload, arm, given, 0, patience)
        base_ns, candidate_ns = self._pace(workload, 1)
        if base_ns < _SHORT_CALL_MS * 1e6:
            base_ns, candidate_ns = self._pace(workload, min(_PILOT_CALLS, protocol.most_calls))
        size = max(len(given[0].packed), 1)
        sample_ns = protocol.sample_ms * 1e6
        # The faster arm decides, so that its sample is not mostly round trip; up to four times the base's due.
        calls = min(sample_ns / min(base_ns, candidate_ns), 4 * max(sample_ns / base_ns, 1))
        calls = max(1, min(round(calls), protocol.most_calls, _BYTES_AT_ONCE // size))
        # One pair makes twice the calls: it counts as two.
        afford = protocol.workload_ms * 1e6 / (calls * (base_ns + candidate_ns)) - 1
        return Plan(
            calls=calls,
            pairs=pairs_within(afford, protocol),
            warmup_calls=protocol.warmup_calls if base_ns < _SLOW_CALL_MS * 1e6 else 1,
            seconds=patience + 20 * 2 * calls * base_ns / 1e9,
        )

    def time(self, workload: Workload, plan: Plan) -> None:
        """Warm up and take a workload's pairs of samples; `record` holds what comes out.

        Each pair has its own inputs, the same for both arms, and its own order. One pair, at random, makes twice
        the calls. Outputs of that pair and of one other are checked after the fact.

        Raises:
            OutputWrong: a timed call's output is wrong.
            ArmFailed: a worker failed.
        """
        self._prepare(workload, plan)
        first = pair_order(plan.pairs, self._random)
        double = self._random.randrange(plan.pairs)
        inspected = {double, self._random.randrange(plan.pairs)}
        arms: dict[Role, Session] = {"base": self._base, "candidate": self._candidate}
        outside = {role: CpuOutside(arm) for role, arm in arms.items()}
        taken: list[Sample] = []
        for index, candidate_first in enumerate(first):
            times = 2 if index == double else 1
            given = self._renew(workload, plan, times)
            order: list[Role] = ["candidate", "base"] if candidate_first else ["base", "candidate"]
            timed: dict[Role, Timing] = {}
            with self._placed():
                for role in order:
                    # Whoever was asked last answers sooner: both arms are, right before their samples.
                    empty = self._timed(arms[role], plan, 0)
                    if role == "base":
                        self._round_trips.append(empty.parent_ns)
                    with outside[role].inside():
                        timed[role] = self._timed(arms[role], plan, times)
                    self._after_sample(role)
            calls = times * plan.calls
            taken.append(self._sample(workload, calls, timed["base"], timed["candidate"], candidate_first))
            if index in inspected:
                self._inspect(workload, given, plan.seconds)
        self.record.samples += taken
        self.record.round_trip_us = self._round_trip_ns() / 1e3
        self.record.candidate_slope_us[workload.name] = _slope(taken, double)
        calls = sum(each.calls for each in taken)
        self.record.candidate_idle_us[workload.name] = outside["candidate"].used_ns() / calls / 1e3
        self.record.base_idle_us[workload.name] = outside["base"].used_ns() / calls / 1e3
        self._time_alone(workload, plan)

    def _time_alone(self, workload: Workload, plan: Plan) -> None:
        """Ask for some calls one by one; see `Alone`. Samples of one call are that already."""
        if plan.calls == 1 or self._job.device == "cuda":
            return
        arms = (self._base, self._candidate)
        alone = Alone(arms, plan.seconds)
        calls = min(plan.calls, MOST_CALLS)
        given = self._give(workload, calls, plan.seconds)
        alone.run(calls, self._random)
        digests = {arm.role: arm.commit(calls, plan.seconds) for arm in self._random.sample(arms, 2)}
        self.record.alone_saving_us[workload.name] = alone.saving_us(calls)
        self._check_one(workload, given, plan.seconds, digests)

    def forget(self, workload: Workload) -> None:
        """Drop a workload's samples from the record, so that they can be taken anew."""
        self.record.samples = [each for each in self.record.samples if each.workload != workload.name]

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """For one pair, put both arms' main threads on the same core: a GPU's host side is one thread.

        Cores differ, most of all virtual ones: on one machine with an H100 a call that launches four kernels took 115
        us on one and 175 us on another, for seconds on end, and whole sessions of base against itself came out 40 %
        apart. The core is drawn anew for every pair. On a CPU, threads are part of what is timed: they stay free.
        """
        cores = os.sched_getaffinity(0)
        if self._job.device != "cuda" or len(cores) < _LEAST_CORES:
            yield
            return
        core = self._random.choice(sorted(cores))
        for arm in (self._base, self._candidate):
            arm.place({core})
        yield
        for arm in (self._base, self._candidate):
            arm.place(cores)

    def _prepare(self, workload: Workload, plan: Plan) -> None:
        """Warm both arms up."""
        self._give(workload, plan.warmup_calls, plan.seconds)
        for arm in (self._base, self._candidate):
            arm.run(plan.warmup_calls, plan.seconds)

    def _renew(self, workload: Workload, plan: Plan, times: int) -> list[Given]:
        """New inputs for both arms' next sample, `times` as long as the plan's; in the order of its calls."""
        return self._give(workload, times * plan.calls, plan.seconds)

    def _timed(self, arm: Session, plan: Plan, times: int) -> Timing:
        """Time one sample, `times` as long as the plan's; 0 times the round trip."""
        if self._job.device == "cuda":
            arm.run(0, plan.seconds)
        return arm.run(times * plan.calls, plan.seconds)

    def _sample(self, workload: Workload, calls: int, base: Timing, candidate: Timing, candidate_first: bool) -> Sample:
        round_trip = self._round_trip_ns()
        return Sample(
            session=self._number,
            workload=workload.name,
            base_us=_net_ns(base.parent_ns, round_trip) / calls / 1e3,
            candidate_us=_net_ns(candidate.parent_ns, round_trip) / calls / 1e3,
            candidate_first=candidate_first,
            calls=calls,
            base_worker_us=base.worker_ns / calls / 1e3,
            candidate_worker_us=candidate.worker_ns / calls / 1e3,
        )

    def _pace(self, workload: Workload, calls: int) -> tuple[float, float]:
        """Nanoseconds a call of base and candidate: the median of three short samples each."""
        patience = self._job.protocol.patience_seconds
        found: tuple[list[float], list[float]] = ([], [])
        for _ in range(3):
            self._give(workload, calls, patience)
            self._round_trips.append(self._base.run(0, patience).parent_ns)
            for arm, times in zip((self._base, self._candidate), found, strict=True):
                spent = _net_ns(arm.run(calls, patience).parent_ns, self._round_trip_ns())
                times.append(spent / calls)
        return median(found[0]), median(found[1])

    def _round_trip_ns(self) -> float:
        return sorted(self._round_trips)[len(self._round_trips) // 10]

    def _give(self, workload: Workload, calls: int, seconds: float) -> list[Given]:
        given = [self._unseen(workload) for _ in range(calls)]
        packed = [each.packed for each in given]
        # In random order: what was written last may still be in a cache that both share.
        for arm in self._random.sample((self._base, self._candidate), 2):
            arm.give(packed, seconds)
        for arm in (self._base, self._candidate):
            arm.confirm_given(seconds)
        return given

    def _unseen(self, workload: Workload) -> Given:
        """Inputs these two processes have not been given before, if the bench can make such."""
        for _ in range(_TRIES):
            seed = derive_seed(self._job.seed, workload.name, self._number, self._inputs_made)
            self._inputs_made += 1
            given = make_given(self._bench, workload, seed)
            digest = hash(given.packed)
            if digest not in self._seen:
                self._seen.add(digest)
                return given
        self.record.repeated_inputs.add(workload.name)
        return given

    def _inspect(self, workload: Workload, given: list[Given], seconds: float) -> None:
        # The base hands its outputs back every time, checked or not: both arms must be asked to do the same.
        # Bound before the choice is made: an output nobody has computed yet cannot wait to see if it is wanted.
        arms = self._random.sample((self._base, self._candidate), 2)
        digests = {arm.role: self._commit(workload, arm, len(given), seconds) for arm in arms}
        self._check_one(workload, given, seconds, digests)

    def _check_one(
        self, workload: Workload, given: list[Given], seconds: float, digests: dict[Role, list[bytes]]
    ) -> None:
        index = self._random.randrange(len(given))
        for arm in (self._base, self._candidate):
            self._check(workload, arm, given, index, seconds, digests[arm.role][index])

    def _commit(self, workload: Workload, arm: Session, calls: int, seconds: float) -> list[bytes]:
        cpu, wall = arm.arm_used().cpu_ns, time.perf_counter_ns()
        digests = arm.commit(calls, seconds)
        wall = time.perf_counter_ns() - wall
        spent = wall if self._job.device == "cuda" else arm.arm_used().cpu_ns - cpu
        kept = self.record.base_commit_us if arm is self._base else self.record.candidate_commit_us
        kept.setdefault(workload.name, []).append(spent / calls / 1e3)
        return digests

    def _check(
        self,
        workload: Workload,
        arm: Session,
        given: list[Given],
        index: int,
        seconds: float,
        digest: bytes | None = None,
    ) -> None:
        fetched = arm.fetch(index, seconds, digest)
        changed = inputs_changed(given[index], fetched)
        if arm is self._base:
            if self._number > 0:
                return
            if changed:
                self._changes_inputs.add(workload.name)
            try:
                check_output(self._bench, workload, given[index], fetched)
            except OutputWrong as error:
                raise BaseFailed(str(error)) from error
            return
        if changed and workload.name not in self._changes_inputs:
            raise OutputWrong(workload, INPUTS_CHANGED)
        check_output(self._bench, workload, given[index], fetched)


def _net_ns(spent_ns: int, round_trip_ns: float) -> float:
    return max(spent_ns - round_trip_ns, spent_ns / 2)


def _slope(samples: list[Sample], double: int) -> float:
    """Microseconds a call of the candidate, from the difference between 2K calls and K calls."""
    once = median(each.candidate_us * each.calls for index, each in enumerate(samples) if index != double)
    twice = samples[double]
    return (twice.candidate_us * twice.calls - once) / (twice.calls / 2)
