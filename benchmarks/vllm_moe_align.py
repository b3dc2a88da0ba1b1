"""The 13 shapes again, with vLLM 0.7.3's own file: `python -m benchmarks.vllm_moe_align [PATCH ...]`.

Fetches the sdist as the task does, lays out a tree for the base and one for each patch of it, and times
`moe_align_block_size` of each as `python -m benchmarks.moe_align` does: a ranking, no verdict.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.moe_align import PUBLISHED, geometric_mean, load_module, name_of, time_shape
from harness.patch import apply
from harness.source import seal
from harness.task import BUNDLED, load_task


def main() -> None:
    """Print the table, and its figures as one line of JSON."""
    bench = load_module("vllm_moe_align_bench", BUNDLED / "vllm_moe_align" / "bench.py")
    columns = {"published: 4 Triton kernels": [times[0] for times in PUBLISHED.values()]}
    with tempfile.TemporaryDirectory() as space:
        base = seal(load_task("vllm_moe_align"), Path(space) / "base.git")
        for number, patch in enumerate([None, *map(Path, sys.argv[1:])]):
            root = Path(space) / str(number)
            base.check_out(root)
            if patch is not None:
                apply(base, patch, root)
            standing_in = load_module("standing_in", root / "moe_align_tests" / "standing_in.py")
            align = standing_in.load(root).moe_align_block_size
            name = "base" if patch is None else name_of(patch)
            columns[name] = [time_shape(align, bench, *shape) for shape in PUBLISHED]
            print(f"{name}: timed", flush=True)
    for name, times in columns.items():
        print(f"{name:30}", *(f"{us:7.2f}" for us in times), f"  geometric mean {geometric_mean(times):.2f} us")
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    told = {"device": torch.cuda.get_device_name(), **versions, "shapes": list(PUBLISHED), "microseconds": columns}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
