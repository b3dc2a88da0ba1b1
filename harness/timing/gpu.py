"""The GPU seen from outside, through NVML: which one it is, how it is clocked, and who else is on it.

Reads only. No clock, limit or mode is ever set. NVML needs no CUDA context, so that the referee has none either.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pynvml

from harness.errors import InfrastructureError
from harness.text import counted
from harness.timing.gpu_blocks import summarise
from harness.timing.gpu_records import ForeignProcess, GpuBlock, GpuReading

BUSY_PERCENT = 10
_IDLE_READINGS = 3
_READING_SECONDS = 0.2
_MOST_WAIT_SECONDS = 60.0


def visible_gpu(uuids: list[str], environment: Mapping[str, str]) -> int:
    """Index in `uuids` (PCI order) of the GPU that CUDA calls 0.

    Raises:
        InfrastructureError: CUDA_VISIBLE_DEVICES hides every GPU, or names one that is not there.
    """
    first = environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if first.isdigit() and int(first) < len(uuids):
        return int(first)
    # CUDA takes any unambiguous beginning of a UUID.
    found = [index for index, uuid in enumerate(uuids) if first.startswith("GPU-") and uuid.startswith(first)]
    if len(found) != 1:
        raise InfrastructureError(
            f"CUDA_VISIBLE_DEVICES={first!r} names none of this machine's {counted(len(uuids), 'GPU')}.",
            remedy="Set it to an index or a UUID that `nvidia-smi -L` lists, or unset it.",
        )
    return found[0]


class Gpu:
    """One GPU through NVML; made by `open_gpu`."""

    def __init__(self, index: int) -> None:
        self._handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        self.uuid = str(pynvml.nvmlDeviceGetUUID(self._handle))
        self.name = str(pynvml.nvmlDeviceGetName(self._handle))
        self.driver = str(pynvml.nvmlSystemGetDriverVersion())

    def read(self) -> GpuReading:
        """Clock, temperature, power and clock event reasons, now."""
        return GpuReading(
            sm_mhz=pynvml.nvmlDeviceGetClockInfo(self._handle, pynvml.NVML_CLOCK_SM),
            temperature_c=pynvml.nvmlDeviceGetTemperature(self._handle, pynvml.NVML_TEMPERATURE_GPU),
            power_w=pynvml.nvmlDeviceGetPowerUsage(self._handle) / 1e3,
            reasons=pynvml.nvmlDeviceGetCurrentClocksEventReasons(self._handle),
        )

    def processes(self) -> list[ForeignProcess]:
        """Every process with a compute context on the GPU; whose it is cannot be told from inside a container."""
        found = pynvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        return [
            ForeignProcess(
                pid=each.pid, memory_mb=None if each.usedGpuMemory is None else round(each.usedGpuMemory / 2**20, 1)
            )
            for each in found
        ]

    def busy_percent(self) -> int | None:
        """Share of the last moments in which a kernel ran; None where the GPU does not tell (as with MIG)."""
        try:
            return int(pynvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
        except pynvml.NVMLError_NotSupported:
            return None


@contextmanager
def open_gpu() -> Iterator[Gpu]:
    """The GPU that CUDA calls 0 in the workers.

    Raises:
        InfrastructureError: NVML does not work here, or no GPU is visible.
    """
    with _nvml():
        yield Gpu(visible_gpu(_uuids(), os.environ))


def all_uuids() -> list[str]:
    """UUIDs of the machine's GPUs, in PCI order.

    Raises:
        InfrastructureError: NVML does not work here.
    """
    with _nvml():
        return _uuids()


def _uuids() -> list[str]:
    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    return [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]


@contextmanager
def _nvml() -> Iterator[None]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise InfrastructureError(
            f"The GPU cannot be watched: NVML says {error}.",
            remedy="`nvidia-smi` must work where the harness runs: in a container, with the utility capability.",
        ) from error
    try:
        yield
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def wait_until_idle(
    busy_percent: Callable[[], int | None],
    on_wait: Callable[[str], None],
    *,
    most_seconds: float = _MOST_WAIT_SECONDS,
    reading_seconds: float = _READING_SECONDS,
) -> None:
    """Wait for others' work on the GPU to end; to be called while the lease is held and nothing of ours runs.

    A context that does no work is harmless and is only reported. Work is not: it takes turns with the samples.

    Args:
        busy_percent: reads the utilisation, in percent; None where it cannot be read.
        on_wait: told once, in a sentence, if there is anything to wait for.
        most_seconds: when to give up.
        reading_seconds: time between readings: the reading lags, and shows our own last measurement for a while.

    Raises:
        InfrastructureError: the GPU stayed busy.
    """
    deadline = time.monotonic() + most_seconds
    idle = told = 0
    while idle < _IDLE_READINGS:
        busy = busy_percent()
        if busy is None:
            return
        idle = idle + 1 if busy < BUSY_PERCENT else 0
        if idle == _IDLE_READINGS:
            return
        if time.monotonic() > deadline:
            raise InfrastructureError(
                f"gpu_busy: others have kept the GPU {busy} % busy for {most_seconds:g} s.",
                remedy="End what `nvidia-smi` shows, or choose another GPU with CUDA_VISIBLE_DEVICES.",
            )
        if idle == 0:
            told += 1
            if told == round(3 / reading_seconds):
                on_wait(f"The GPU is {busy} % busy with others' work: waiting for it to fall idle.")
        time.sleep(reading_seconds)


class Watch:
    """Reads the GPU after every timed sample, and judges the blocks."""

    def __init__(self, read: Callable[[], GpuReading]) -> None:
        self._read = read
        self._readings: dict[str, list[GpuReading]] = {"base": [], "candidate": []}
        self.blocks: list[GpuBlock] = []

    def sample(self, role: str) -> None:
        """Read the GPU after a sample of `role`, base or candidate."""
        self._readings[role].append(self._read())

    def close_block(self, session: int, workload: str) -> GpuBlock:
        """End a block: what it was like, and whether it stands."""
        block = summarise(session, workload, self._readings["base"], self._readings["candidate"])
        self._readings = {"base": [], "candidate": []}
        self.blocks.append(block)
        return block

    @property
    def voided(self) -> int:
        """How many blocks did not stand."""
        return sum(block.voided is not None for block in self.blocks)
