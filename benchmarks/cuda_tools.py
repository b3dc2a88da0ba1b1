"""NVIDIA's command-line tools, where a machine has them: profiling a command with ncu."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PLACES = ("/usr/local/cuda/bin", "/opt/cuda/bin", "/opt/nvidia/nsight-compute/*")
METRICS = {
    "gpu__time_duration.sum": "ns",
    "dram__bytes_read.sum": "dram_read_bytes",
    "dram__bytes_write.sum": "dram_written_bytes",
    "lts__t_sectors.sum": "l2_sectors",
    "smsp__inst_executed.sum": "warp_instructions",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "achieved_occupancy_percent",
    "launch__grid_size": "programs",
    "launch__registers_per_thread": "registers",
}
Kernel = dict[str, str | float]


class NoProfileError(Exception):
    """Nothing was profiled; the message says why."""


def find_tool(name: str) -> str | None:
    """The program's path, from PATH or where CUDA's installers put it; None where there is none."""
    places = [str(place) for pattern in PLACES for place in sorted(Path("/").glob(pattern[1:]), reverse=True)]
    return shutil.which(name) or shutil.which(name, path=":".join(places))


def profile(command: Sequence[str], log: Path, timeout: float) -> list[Kernel]:
    """What ncu counts for every kernel that the command starts between cudaProfilerStart and Stop, in their order.

    No clock is touched and no cache emptied.

    Raises:
        NoProfileError: there is no ncu, it may not count here, the command failed or took too long.
    """
    ncu = find_tool("ncu")
    if ncu is None:
        raise NoProfileError("ncu is not installed")
    options = ["--csv", "--print-units", "base", "--log-file", str(log), "--metrics", ",".join(METRICS)]
    options += ["--clock-control", "none", "--cache-control", "none", "--profile-from-start", "off"]
    try:
        done = subprocess.run(
            [ncu, *options, *command], capture_output=True, text=True, timeout=timeout, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise NoProfileError(f"ncu took more than {timeout:.0f} s") from error
    told = log.read_text(errors="replace") if log.exists() else ""
    kernels = read_csv(told)
    if done.returncode != 0 or not kernels:
        wrong = [line for line in told.splitlines() if line.startswith("==ERROR==")]
        last = (wrong or done.stderr.splitlines() or told.splitlines() or ["nothing was said"])[-1]
        raise NoProfileError(f"ncu ended with {done.returncode} and {len(kernels)} kernels: {last}")
    return kernels


def read_csv(told: str) -> list[Kernel]:
    """The kernels of ncu's CSV, a row a kernel and metric, whatever lines stand before it."""
    lines = told.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    kernels: dict[str, Kernel] = {}
    for row in csv.DictReader(line for line in lines[start:] if line.startswith('"')):
        kernel = kernels.setdefault(row["ID"], {"kernel": row["Kernel Name"]})
        if row["Metric Name"] in METRICS:
            # What a GPU does not count comes as text.
            number = row["Metric Value"].replace(",", "")
            if number.replace(".", "", 1).isdigit():
                kernel[METRICS[row["Metric Name"]]] = float(number)
    return list(kernels.values())
