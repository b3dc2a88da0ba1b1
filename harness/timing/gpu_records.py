"""What a measurement on a GPU says about the GPU; part of the evidence, written with every Measurement."""

from __future__ import annotations

from pydantic import Field

from harness.text import counted
from harness.verdict import Record


class GpuReading(Record):
    """The GPU at one moment, as NVML tells it.

    Attributes:
        sm_mhz: clock of the multiprocessors.
        temperature_c: of the die.
        power_w: drawn by the board.
        reasons: NVML's clock event reasons (once called throttle reasons), a bit mask.
    """

    sm_mhz: int
    temperature_c: int
    power_w: float
    reasons: int


class GpuBlock(Record):
    """The GPU during one block: one workload's pairs in one session, read after every timed sample.

    Attributes:
        session: the session's number, from 0.
        workload: the workload's name.
        base_mhz: SM clock after each of the base's samples: the median.
        candidate_mhz: the same after the candidate's.
        least_mhz: the lowest of all.
        most_mhz: the highest.
        temperature_c: the highest.
        power_w: the highest.
        reasons: names of all clock event reasons seen.
        voided: why the block's samples were thrown away and taken anew; None where they stand.
    """

    session: int
    workload: str
    base_mhz: float
    candidate_mhz: float
    least_mhz: int
    most_mhz: int
    temperature_c: int
    power_w: float
    reasons: list[str]
    voided: str | None = None


class ForeignProcess(Record):
    """A process of somebody else's with a context on the GPU. In a container its id may be another namespace's."""

    pid: int
    memory_mb: float | None


class GpuEvidence(Record):
    """What was recorded about the GPU.

    Attributes:
        name: as the driver gives it.
        uuid: by which the lease is held.
        driver: version of the driver.
        blocks: every block, the voided ones too.
        voided: how many blocks were voided and taken anew.
        foreign_processes: others' processes on the GPU before the first worker started or after the last had ended.
        lease_waited_seconds: how long this measurement waited for its turn.
        base_kernels: names of the kernels the base's calls start, all workloads; traced apart from any timing.
        candidate_kernels: the same of the candidate.
    """

    name: str
    uuid: str
    driver: str
    blocks: list[GpuBlock] = Field(default_factory=list)
    voided: int = 0
    foreign_processes: list[ForeignProcess] = Field(default_factory=list)
    lease_waited_seconds: float = 0.0
    base_kernels: list[str] = Field(default_factory=list)
    candidate_kernels: list[str] = Field(default_factory=list)

    def flags(self) -> list[str]:
        """What belongs beside the number, in sentences."""
        if not self.foreign_processes:
            return []
        return [f"{counted(len(self.foreign_processes), 'process', 'processes')} of others had a context on the GPU."]


class NotCaptured(Record):
    """Calls that could not be made into a CUDA graph: whose, on which workload, and what CUDA said."""

    role: str
    workload: str
    reason: str

    def flag(self) -> str:
        """What belongs beside the number, in a sentence."""
        return f"Timed without a CUDA graph: {self.role}'s calls cannot be captured ({self.workload}: {self.reason})."
