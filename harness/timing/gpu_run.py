"""A measurement's hold on the GPU: its lease, a look round before it starts, and what it records on the way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import InfrastructureError
from harness.timing.bench import Bench, Workload
from harness.timing.gpu import Gpu, Watch, open_gpu, wait_until_idle
from harness.timing.gpu_lease import lease
from harness.timing.gpu_records import ForeignProcess, GpuEvidence
from harness.timing.inputs import derive_seed, make_given
from harness.timing.job import MeasureJob
from harness.timing.session import Role, Session

MOST_TRIES = 4
_LINGER_SECONDS = 0.5


class GpuRun:
    """The GPU for one measurement.

    Args:
        gpu: the GPU, leased.
        waited_seconds: how long the lease took to get.
        foreign: processes that were on it before any of ours.
    """

    def __init__(self, gpu: Gpu, waited_seconds: float, foreign: list[ForeignProcess]) -> None:
        self._gpu = gpu
        self._waited_seconds = waited_seconds
        self._foreign = foreign
        self._watch = Watch(gpu.read)
        self._kernels: dict[Role, list[str]] = {"base": [], "candidate": []}

    def after_sample(self, role: Role) -> None:
        """Read clock, temperature, power and clock event reasons: the sample of `role` has just ended."""
        self._watch.sample(role)

    def stands(self, session: int, workload: str, tries: int) -> bool:
        """Whether the block that has just ended can be believed; `tries` is how often it was taken by now.

        Raises:
            InfrastructureError: it could not be believed `MOST_TRIES` times in a row.
        """
        block = self._watch.close_block(session, workload)
        if block.voided is None:
            return True
        if tries >= MOST_TRIES:
            raise InfrastructureError(
                f"The GPU cannot be measured on: {block.voided}, {tries} times in a row (workload {workload}, "
                f"{block.temperature_c} C, {block.power_w:.0f} W, {block.least_mhz} to {block.most_mhz} MHz).",
                remedy="Let it cool down, and see that nothing else uses the GPU or its power supply.",
            )
        return False

    def trace(self, arm: Session, job: MeasureJob, bench: Bench, workloads: list[Workload]) -> None:
        """List the kernels that an arm's calls start, one call a workload.

        Raises:
            ArmFailed: the worker failed.
        """
        names: set[str] = set()
        for workload in workloads:
            given = make_given(bench, workload, derive_seed(job.seed, "trace", workload.name))
            arm.give([given.packed], job.protocol.patience_seconds)
            arm.confirm_given(job.protocol.patience_seconds)
            names.update(arm.kernels(job.protocol.patience_seconds))
        self._kernels[arm.role] = sorted(names)

    def evidence(self) -> GpuEvidence:
        """All that was recorded; to be called when the last worker has ended."""
        before = {each.pid for each in self._foreign}
        late = [each for each in self._gpu.processes() if each.pid not in before]
        if late:
            # Ours have ended, but the driver may take a moment to notice.
            time.sleep(_LINGER_SECONDS)
            still = {each.pid for each in self._gpu.processes()}
            late = [each for each in late if each.pid in still]
        return GpuEvidence(
            name=self._gpu.name,
            uuid=self._gpu.uuid,
            driver=self._gpu.driver,
            blocks=self._watch.blocks,
            voided=self._watch.voided,
            foreign_processes=self._foreign + late,
            lease_waited_seconds=round(self._waited_seconds, 3),
            base_kernels=self._kernels["base"],
            candidate_kernels=self._kernels["candidate"],
        )


@contextmanager
def hold_gpu(device: str, on_wait: Callable[[str], None], folder: Path | None = None) -> Iterator[GpuRun | None]:
    """Lease the GPU that the workers will use and wait until it is idle; None on a CPU.

    Args:
        device: `cpu` or `cuda`.
        on_wait: told in a sentence what is waited for.
        folder: where leases are; the machine's shared folder by default.

    Raises:
        InfrastructureError: there is no GPU to be seen, or others keep it busy.
    """
    if device != "cuda":
        yield None
        return
    # NVML counts GPUs in PCI order: workers, which inherit this, do the same.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    with open_gpu() as gpu, lease(gpu.uuid, on_wait, folder) as waited_seconds:
        wait_until_idle(gpu.busy_percent, on_wait)
        yield GpuRun(gpu, waited_seconds, gpu.processes())
