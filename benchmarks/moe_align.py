"""The 13 shapes of MoE alignment for which other implementations' times are published, on the GPU at hand.

`python -m benchmarks.moe_align [PATCH ...]`: microseconds a call of the bundled target and of each patch of it. A call
is one of 64 in a CUDA graph, over a ring of 4 inputs; the figure is the median of 60 replays. Every output that is
looked at (12 of the 64) is held against the oracle. This is how the published times were taken; it is no verdict:
base and patch are timed one after the other in one process. `harness verify` gives those.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmarks.cuda_graphs import CallGraph
from benchmarks.patched_targets import MOE_ALIGN, load_align, load_module, name_of
from harness.intervals import geometric_mean
from harness.timing.bench import Workload

CALLS = 64
REPLAYS = 60
RING = 4
# tokens, top_k, experts, block: four Triton kernels of vLLM 0.7.3; vLLM 0.33 in CUDA; the best of eight known
# implementations, CUDA with clusters included. Microseconds on one H100 80GB (torch 2.11, Triton 3.6), taken likewise.
PUBLISHED: dict[tuple[int, int, int, int], tuple[float, float, float]] = {
    (1, 8, 256, 128): (29.43, 4.48, 1.12),
    (1, 2, 64, 128): (13.60, 8.89, 1.11),
    (16, 8, 256, 128): (29.69, 4.74, 1.71),
    (64, 8, 64, 64): (16.56, 11.08, 1.93),
    (256, 8, 256, 128): (35.30, 5.28, 2.52),
    (256, 8, 512, 256): (60.33, 11.30, 2.67),
    (1024, 8, 64, 64): (36.39, 8.18, 4.46),
    (4096, 1, 64, 128): (26.09, 6.46, 3.30),
    (4096, 2, 64, 128): (36.19, 8.26, 4.51),
    (4096, 8, 128, 128): (64.44, 16.54, 6.10),
    (4096, 8, 256, 256): (63.17, 16.72, 7.16),
    (16384, 8, 256, 128): (125.62, 53.72, 8.48),
    (65536, 8, 256, 128): (377.36, 184.79, 15.15),
}


def main() -> None:
    """Print the table, and its figures as one line of JSON."""
    bench = load_module("moe_align_bench", MOE_ALIGN / "bench.py")
    columns: dict[str, list[float]] = {
        "published: 4 Triton kernels": [times[0] for times in PUBLISHED.values()],
        "published: vLLM 0.33, CUDA": [times[1] for times in PUBLISHED.values()],
        "published: best known": [times[2] for times in PUBLISHED.values()],
    }
    with tempfile.TemporaryDirectory() as space:
        for number, patch in enumerate([None, *map(Path, sys.argv[1:])]):
            align = load_align(patch, Path(space) / str(number)).moe_align_block_size
            columns[name_of(patch)] = [time_shape(align, bench, *shape) for shape in PUBLISHED]
    for name, times in columns.items():
        print(f"{name:30}", *(f"{us:7.2f}" for us in times), f"  geometric mean {geometric_mean(times):.2f} us")
    gpu = torch.cuda.get_device_name()
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    print(json.dumps({"device": gpu, **versions, "shapes": list(PUBLISHED), "microseconds": columns}))


def workload_of(bench: ModuleType, tokens: int, top_k: int, experts: int, block: int) -> Workload:
    """The first of the bench's workloads that has the shape."""
    shape = {"tokens": tokens, "top_k": top_k, "experts": experts, "block": block}
    return next(each for each in bench.workloads("cuda") if shape.items() <= each.params.items())


def time_shape(
    align: Callable[..., Any], bench: ModuleType, tokens: int, top_k: int, experts: int, block: int
) -> float:
    """Microseconds a call of one shape takes, its outputs looked at."""
    workload = workload_of(bench, tokens, top_k, experts, block)
    inputs = [bench.make_inputs(workload, seed) for seed in range(RING)]
    ids = [each["topk_ids"].cuda() for each in inputs]
    graph = CallGraph([partial(align, ids[number % RING], block, experts) for number in range(CALLS)])
    samples = [graph.replay_us() for _ in range(REPLAYS)]
    for number in (*range(4), *range(28, 32), *range(CALLS - 4, CALLS)):
        wrong = bench.check(workload, inputs[number % RING], tuple(output.cpu() for output in graph.outputs[number]))
        if wrong:
            raise AssertionError(f"{workload.name}: {wrong}")
    return statistics.median(samples)


if __name__ == "__main__":
    main()
