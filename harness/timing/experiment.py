"""A whole measurement: sessions until a look says stop, and the result."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain
from statistics import fmean, median

from harness.sandbox.workers import worker_sandbox
from harness.timing.audit import audit
from harness.timing.bench import Bench, Workload
from harness.timing.gpu_cold import ColdSession
from harness.timing.gpu_graph import GraphSession, Uncapturable
from harness.timing.gpu_records import NotCaptured
from harness.timing.gpu_run import GpuRun
from harness.timing.inputs import derive_seed
from harness.timing.job import MeasureJob
from harness.timing.machine import describe_device
from harness.timing.measurement import Measurement, Progress, Refusal
from harness.timing.paired import PairedSession
from harness.timing.printed import coarseness_of
from harness.timing.roofline import floor_us, least_bytes
from harness.timing.sequential import Stopped, why_stop
from harness.timing.servers import Servers
from harness.timing.session import Session
from harness.timing.session_record import Plan, SessionRecord, in_random_order
from harness.timing.statistics import Estimate, hodges_lehmann, session_value
from harness.verdict import Device, WorkloadResult


class Experiment:
    """Times a candidate against the base until a look ends it.

    Args:
        job: what is measured.
        bench: the task's bench.
        on_progress: told after every session.
        gpu: the GPU, held for this measurement; None on a CPU.
    """

    servers: type[Servers] = Servers

    def __init__(
        self, job: MeasureJob, bench: Bench, on_progress: Callable[[Progress], None], gpu: GpuRun | None = None
    ) -> None:
        if gpu is not None:
            job = job.model_copy(update={"protocol": job.protocol.on_gpu(job.mode)})
        self._job = job
        self._bench = bench
        self._on_progress = on_progress
        self._gpu = gpu
        self._not_captured: list[NotCaptured] = []
        self._workloads = bench.listed(job.device, held_out=job.held_out)
        self._least_bytes = least_bytes(bench, self._workloads)  # a bench that is wrong is told now, not in the end
        self._plans: dict[str, Plan] = {}
        self._changes_inputs: set[str] = set()
        self._records: list[SessionRecord] = []
        self.current: Workload | None = None

    def run(self) -> Measurement | Refusal:
        """Run sessions until a look says stop.

        Raises:
            OutputWrong: the candidate's output is wrong; ends the measurement at once.
            BaseFailed: the base's output is wrong.
            ArmFailed: a worker failed; `current` is the workload it happened on.
        """
        start = time.monotonic()
        protocol = self._job.protocol
        with ExitStack() as stack:
            servers = self.servers(self._job, self._bench)
            stack.callback(servers.close)
            while True:
                try:
                    self._one_session(servers)
                except Uncapturable as error:
                    # Both arms are timed the same way, whoever's fault it is: from the start, in fresh processes.
                    found = NotCaptured(role=error.role, workload=error.workload.name, reason=error.reason)
                    self._not_captured.append(found)
                    continue
                estimate = self._overall()
                sessions = len(self._records)
                most = protocol.looks[-1]
                self._on_progress(Progress(sessions=sessions, most_sessions=most, speedup=estimate.as_ratio()))
                stopped = why_stop(
                    estimate.as_ratio(),
                    sessions=sessions,
                    looks=protocol.looks,
                    min_effect=protocol.min_effect,
                    question=protocol.question,
                )
                if sessions in protocol.looks:
                    refusal = self._audit()
                    if refusal is not None:
                        return refusal
                if stopped is not None:
                    self._trace(servers)
                    servers.close()
                    return self._measurement(estimate, stopped, time.monotonic() - start)

    def _one_session(self, servers: Servers) -> None:
        number = len(self._records)
        self.current = None
        rng = random.Random(derive_seed(self._job.seed, "workloads", number))
        with servers.sessions() as (base, candidate):
            session = self._session(number, base, candidate)
            if number == 0:
                for workload in self._workloads:
                    self.current = workload
                    self._plans[workload.name] = session.plan(workload)
            for workload in in_random_order(self._workloads, rng):
                self.current = workload
                self._block(session, workload, number)
            self.current = None
            servers.require_no_strays()
        self._records.append(session.record)

    def _session(self, number: int, base: Session, candidate: Session) -> PairedSession:
        kind = PairedSession
        if self._job.mode == "device" and not self._not_captured:
            kind = GraphSession
        elif self._job.cache == "cold":
            kind = ColdSession
        watch = {} if self._gpu is None else {"after_sample": self._gpu.after_sample}
        return kind(self._job, self._bench, number, base, candidate, self._changes_inputs, **watch)

    def _block(self, session: PairedSession, workload: Workload, number: int) -> None:
        """Take one workload's samples; on a GPU again if its clock moved."""
        tries = 1
        session.time(workload, self._plans[workload.name])
        while self._gpu is not None and not self._gpu.stands(number, workload.name, tries):
            session.forget(workload)
            session.time(workload, self._plans[workload.name])
            tries += 1

    def _trace(self, servers: Servers) -> None:
        """On a GPU, list both arms' kernels, in sessions of their own: a tracer slows what it has once been in."""
        if self._gpu is None or self._job.base_root == self._job.candidate_root:
            return
        with servers.sessions() as arms:
            for arm in arms:
                self._gpu.trace(arm, self._job, self._bench, self._workloads)

    def _audit(self) -> Refusal | None:
        return audit(self._workloads, self._records)

    def _values(self, workload: Workload) -> list[float]:
        """One log ratio for each session."""
        values = []
        for record in self._records:
            samples = [each for each in record.samples if each.workload == workload.name]
            values.append(session_value([each.base_us for each in samples], [each.candidate_us for each in samples]))
        return values

    def _overall(self) -> Estimate:
        """The geometric mean over workloads is formed inside each session, whose noise they share."""
        by_session = zip(*(self._values(workload) for workload in self._workloads), strict=True)
        found = hodges_lehmann([fmean(values) for values in by_session], self._job.protocol.alpha)
        return found.widened(coarseness_of(sample for record in self._records for sample in record.samples))

    def _measurement(self, estimate: Estimate, stopped: Stopped, seconds: float) -> Measurement:
        gpu = None if self._gpu is None else self._gpu.evidence()
        device = self._device()
        return Measurement(
            speedup=estimate.as_ratio(),
            workloads=[self._result(workload, device) for workload in self._workloads],
            samples=[sample for record in self._records for sample in record.samples],
            sessions=len(self._records),
            stopped=stopped,
            look_level=estimate.level,
            repeated_inputs=sorted({name for record in self._records for name in record.repeated_inputs}),
            device=device,
            seconds=seconds,
            worker_sandbox=worker_sandbox(self._job.sandbox, self._job.device),
            graph_safe=not self._not_captured if self._job.mode == "device" else None,
            not_captured=self._not_captured,
            gpu=gpu,
            flags=[each.flag() for each in self._not_captured] + (gpu.flags() if gpu is not None else []),
        )

    def _device(self) -> Device:
        return describe_device(self._job.device)

    def _result(self, workload: Workload, device: Device) -> WorkloadResult:
        samples = [[each for each in record.samples if each.workload == workload.name] for record in self._records]
        estimate = hodges_lehmann(self._values(workload), self._job.protocol.alpha)
        return WorkloadResult(
            name=workload.name,
            held_out=workload.held_out,
            base_us=median(median(each.base_us for each in session) for session in samples),
            candidate_us=median(median(each.candidate_us for each in session) for session in samples),
            speedup=estimate.widened(coarseness_of(chain(*samples))).as_ratio(),
            floor_us=floor_us(self._least_bytes.get(workload.name), device),
        )
