"""How fast a workload could be at all: the bytes it cannot do without, over the device's datasheet bandwidth.

A floor and no goal: what a launch costs is not in it, and data that lie in a cache move faster. It is stated only
where the bench says the bytes and the device's bandwidth is known from its maker's datasheet.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import TaskError
from harness.timing.bench import Bench, last_line
from harness.timing.job import Workload
from harness.verdict import Device

# By the name that the driver gives; bytes a second. The H100 with HBM3 is the SXM5 one; the PCIe and NVL ones differ.
BANDWIDTHS = {"NVIDIA H100 80GB HBM3": 3.35e12}


def least_bytes(bench: Bench, workloads: Sequence[Workload]) -> dict[str, int]:
    """The bytes that each workload cannot do without, by its name; empty where the bench does not say.

    Raises:
        TaskError: the bench's `least_bytes` fails, or gives something other than a positive whole number.
    """
    if bench.least_bytes is None:
        return {}
    found = {}
    for workload in workloads:
        try:
            count = bench.least_bytes(workload)
        except Exception as error:
            raise TaskError(f"{bench.file}: least_bytes({workload.name!r}) failed: {last_line(error)}") from error
        if not isinstance(count, int) or isinstance(count, bool) or count <= 0:
            raise TaskError(
                f"{bench.file}: least_bytes({workload.name!r}) gave {count!r}.",
                remedy="It must give a positive int: bytes read and written by any implementation that is right.",
            )
        found[workload.name] = count
    return found


def floor_us(count: int | None, device: Device) -> float | None:
    """Microseconds that moving so many bytes takes at least; None where the bytes or the bandwidth are not known."""
    bandwidth = BANDWIDTHS.get(device.name)
    return None if count is None or bandwidth is None else count / bandwidth * 1e6
