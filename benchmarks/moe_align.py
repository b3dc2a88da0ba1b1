"""The 13 shapes of MoE alignment for which other implementations' times are published, on the GPU at hand.

`python -m benchmarks.moe_align [PATCH ...]`: microseconds a call of the bundled target and of each patch of it. A call
is one of 64 in a CUDA graph, over a ring of 4 inputs; the figure is the median of 60 replays. Every output that is
looked at (12 of the 64) is held against the oracle. This is how the published times were taken; it is no verdict:
base and patch are timed one after the other in one process. `harness verify` gives those.
"""

from __future__ import annotations

import importlib.util
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from harness.task import BUNDLED

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
    task = BUNDLED / "moe_align"
    bench = load_module("moe_align_bench", task / "bench.py")
    columns: dict[str, list[float]] = {
        "published: 4 Triton kernels": [times[0] for times in PUBLISHED.values()],
        "published: vLLM 0.33, CUDA": [times[1] for times in PUBLISHED.values()],
        "published: best known": [times[2] for times in PUBLISHED.values()],
    }
    with tempfile.TemporaryDirectory() as space:
        for number, patch in enumerate([None, *map(Path, sys.argv[1:])]):
            root = patched(task / "target", patch, Path(space) / str(number))
            align = load_module(f"moe_align_{number}", root / "moe_align" / "align.py").moe_align_block_size
            columns["base" if patch is None else name_of(patch)] = [
                time_shape(align, bench, *shape) for shape in PUBLISHED
            ]
    for name, times in columns.items():
        print(f"{name:30}", *(f"{us:7.2f}" for us in times), f"  geometric mean {geometric_mean(times):.2f} us")
    gpu = torch.cuda.get_device_name()
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    print(json.dumps({"device": gpu, **versions, "shapes": list(PUBLISHED), "microseconds": columns}))


def name_of(patch: Path) -> str:
    """A patch's name: its folder's, where it is a `model_patch.diff`."""
    return patch.resolve().parent.name if patch.stem == "model_patch" else patch.stem


def load_module(name: str, file: Path) -> ModuleType:
    """A module from its file."""
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def patched(target: Path, patch: Path | None, root: Path) -> Path:
    """A copy of the target with the patch applied."""
    subprocess.run(["cp", "-r", str(target), str(root)], check=True)
    if patch is not None:
        subprocess.run(["git", "apply", str(patch.resolve())], cwd=root, check=True)
    return root


def time_shape(
    align: Callable[..., Any], bench: ModuleType, tokens: int, top_k: int, experts: int, block: int
) -> float:
    """Microseconds a call of one shape takes, its outputs looked at."""
    workload = next(
        each
        for each in bench.workloads("cuda")
        if (each.params["tokens"], each.params["top_k"], each.params["experts"], each.params["block"])
        == (tokens, top_k, experts, block)
    )
    inputs = [bench.make_inputs(workload, seed) for seed in range(RING)]
    ids = [each["topk_ids"].cuda() for each in inputs]
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for each in ids:
            align(each, block, experts)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        outputs = [align(ids[number % RING], block, experts) for number in range(CALLS)]
    samples = []
    for _ in range(REPLAYS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        samples.append(start.elapsed_time(end) * 1e3 / CALLS)
    for number in (*range(4), *range(28, 32), *range(CALLS - 4, CALLS)):
        wrong = bench.check(workload, inputs[number % RING], tuple(output.cpu() for output in outputs[number]))
        if wrong:
            raise AssertionError(f"{workload.name}: {wrong}")
    return statistics.median(samples)


def geometric_mean(values: list[float]) -> float:
    """Of positive numbers."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


if __name__ == "__main__":
    main()
