"""The 13 shapes again, with vLLM 0.7.3's own file: `python -m benchmarks.vllm_moe_align [PATCH ...]`.

Fetches the sdist as the task does, lays out a tree for the base and one for each patch of it, and times
`moe_align_block_size` of each as `python -m benchmarks.moe_align` does: a ranking, no verdict.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.moe_align import time_shape
from benchmarks.moe_align_published import EARLIER, SHAPES, TRITON, VLLM
from benchmarks.patched_targets import load_module, name_of, parse_patches
from harness.errors import HarnessError, Rejected
from harness.intervals import geometric_mean
from harness.patch import apply
from harness.source import seal
from harness.task_file import BUNDLED, load_task


def main() -> None:
    """Print the table, and its figures as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vllm_moe_align", description="The shapes, in vLLM.")
    parser.add_argument("patches", nargs="*", type=Path, metavar="PATCH", help="of vLLM's file")
    patches = parse_patches(parser, parser.parse_args().patches)
    bench = load_module("vllm_moe_align_bench", BUNDLED / "vllm_moe_align" / "bench.py")
    columns = {f"published: {anchor.name}": anchor.times for anchor in (TRITON, EARLIER, VLLM)}
    with tempfile.TemporaryDirectory() as space:
        base = seal(load_task("vllm_moe_align"), Path(space) / "base.git")
        for number, patch in enumerate(patches):
            root = Path(space) / str(number)
            base.check_out(root)
            if patch is not None:
                apply(base, patch, root)
            standing_in = load_module("standing_in", root / "moe_align_tests" / "standing_in.py")
            align = standing_in.load(root).moe_align_block_size
            columns[name_of(patch)] = [time_shape(align, bench, *shape) for shape in SHAPES]
            print(f"{name_of(patch)}: timed", flush=True)
    for name, times in columns.items():
        print(f"{name:30}", *(f"{us:7.2f}" for us in times), f"  geometric mean {geometric_mean(times):.2f} us")
    gpu = torch.cuda.get_device_name()
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    print(json.dumps({"device": gpu, **versions, "shapes": SHAPES, "microseconds": columns}))


if __name__ == "__main__":
    try:
        main()
    except (HarnessError, Rejected) as error:  # no sdist, or a patch that does not apply
        sys.exit(str(error))
