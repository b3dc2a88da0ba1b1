"""How long the report of a run of many attempts takes, and how large it is.

python -m benchmarks.report --attempts 1000 --times 5
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness.report.build import html_report
from harness.report.material import read_run

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from synthetic_runs import write_synthetic_run


def main() -> None:
    """Build it a few times and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.partition("\n")[0])
    parser.add_argument("--attempts", type=int, default=1000, help="attempts of the run (default 1000)")
    parser.add_argument("--times", type=int, default=5, help="how often it is built (default 5)")
    asked = parser.parse_args()
    seconds, size = [], 0
    with tempfile.TemporaryDirectory(prefix="harness-benchmark-") as space:
        for number in range(asked.times):
            # Another run each time: drawings are remembered.
            name = f"moe_align-20261120-{number:06d}"
            folder = write_synthetic_run(Path(space), asked.attempts, name=name, seed=number, samples=asked.attempts)
            began = time.perf_counter()
            size = len(html_report(read_run(folder)).encode())
            seconds.append(time.perf_counter() - began)
    median = statistics.median(seconds)
    print(
        f"{asked.attempts} attempts: {median:.1f} s, the median of {asked.times} "
        f"({min(seconds):.1f} to {max(seconds):.1f}), {size / 1e6:.2f} MB; the first starts the drawing engine"
    )


if __name__ == "__main__":
    main()
