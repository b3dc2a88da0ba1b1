"""The 13 shapes of MoE alignment for which other implementations' times are published, on the GPU at hand.

`python -m benchmarks.moe_align [PATCH ...]`: microseconds a call of the bundled target and of each patch of it. A call
is one of 64 in a CUDA graph, over a ring of 4 inputs; the figure is the median of 60 replays. Every output that is
looked at (12 of the 64) is held against the oracle. This is how the published times were taken; it is no verdict:
base and patch are timed one after the other in one process. `harness verify` gives those.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmarks.cuda_graphs import CallGraph
from benchmarks.moe_align_published import BEST, SHAPES, TRITON, VLLM
from benchmarks.patched_targets import MOE_ALIGN, load_align, load_module, name_of, parse_patches
from harness.intervals import geometric_mean
from harness.timing.bench import Workload

CALLS = 64
REPLAYS = 60
RING = 4


def main() -> None:
    """Print the table, and its figures as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moe_align", description="The 13 published shapes.")
    parser.add_argument("patches", nargs="*", type=Path, metavar="PATCH", help="of the moe_align target")
    patches = parse_patches(parser, parser.parse_args().patches)
    bench = load_module("moe_align_bench", MOE_ALIGN / "bench.py")
    columns: dict[str, list[float]] = {f"published: {anchor.name}": anchor.times for anchor in (TRITON, VLLM, BEST)}
    with tempfile.TemporaryDirectory() as space:
        for number, patch in enumerate(patches):
            align = load_align(patch, Path(space) / str(number)).moe_align_block_size
            columns[name_of(patch)] = [time_shape(align, bench, *shape) for shape in SHAPES]
    for name, times in columns.items():
        print(f"{name:30}", *(f"{us:7.2f}" for us in times), f"  geometric mean {geometric_mean(times):.2f} us")
    gpu = torch.cuda.get_device_name()
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    print(json.dumps({"device": gpu, **versions, "shapes": SHAPES, "microseconds": columns}))


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
