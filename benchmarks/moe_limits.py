"""What limits an alignment, shape by shape: bytes, launches, one trip through memory a launch, or what is left.

`python -m benchmarks.moe_limits [PATCH ...] [--json FILE]`: for the bundled target and each patch (the committed record
where none is named) the microseconds a call takes, beside what as many launches take that do nothing (with and without
programmatic dependent launch), and that each read a word the one before wrote; all in graphs of 64 calls. The roofline
is the bytes that any right answer moves over the device's bandwidth. Kernels' own times are CUPTI's, calls apart; where
there is ncu, four shapes are also counted kernel by kernel.
"""
# ruff: noqa: ANN001  (Triton itself types the arguments of its kernels)

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import torch
import triton
import triton.language as tl

from benchmarks.cuda_graphs import CallGraph, describe_gpu
from benchmarks.cuda_tools import NoProfileError, profile
from benchmarks.moe_align import CALLS, REPLAYS, time_shape, workload_of
from benchmarks.moe_align_published import SHAPES
from benchmarks.patched_targets import MOE_ALIGN, RECORD, load_align, load_module, name_of, parse_patches
from harness.timing.gpu_worker import Gpu

PROGRAMS = 132
TRACED = 5  # calls
MOST_LAUNCHES = 8  # that any known alignment makes
COUNTED = ((1, 8, 256, 128), (4096, 2, 64, 128), (4096, 8, 256, 256), (65536, 8, 256, 128))  # with ncu
KINDS = {"empty": (False, False), "overlapping": (True, False), "through_memory": (True, True)}


@triton.jit
def _link_kernel(words_ptr, overlap: tl.constexpr, through_memory: tl.constexpr) -> None:
    """A launch that does nothing, or reads the word that one before it wrote, and writes one."""
    if overlap:
        tl.extra.cuda.gdc_wait()
        tl.extra.cuda.gdc_launch_dependents()
    if through_memory:
        program = tl.program_id(0)
        word = tl.load(words_ptr + (program + 1) % tl.num_programs(0), cache_modifier=".cg")
        tl.store(words_ptr + program, word + 1)


def main() -> None:
    """Print a line a shape and alignment and, last, everything as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moe_limits", description="What limits an alignment.")
    parser.add_argument("patches", nargs="*", type=Path, metavar="PATCH", help="of the moe_align target")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the JSON there instead")
    parser.add_argument("--calls-only", action="store_true", help="only the calls that ncu is to count, once each")
    options = parser.parse_args()
    patches = parse_patches(parser, options.patches or [RECORD])
    bench = load_module("moe_align_bench", MOE_ALIGN / "bench.py")
    with tempfile.TemporaryDirectory() as space:
        aligns = {
            name_of(patch): load_align(patch, Path(space) / str(number)).moe_align_block_size
            for number, patch in enumerate(patches)
        }
        if options.calls_only:
            call_once(aligns, bench)
            return
        rows = measure(aligns, bench)
        counts = count(rows, [str(patch.resolve()) for patch in patches if patch is not None], Path(space))
    found = {
        "title": "What limits MoE alignment",
        "command": " ".join(["python -m benchmarks.moe_limits", *map(str, options.patches)]),
        "method": " ".join((__doc__ or "").split(": ", 2)[2].split()),
        "device": describe_gpu(),
        "bandwidth_tb_per_s": bandwidth() / 1e12,
        "rows": rows,
        "ncu": counts,
    }
    if options.json is None:
        print(json.dumps(found))
    else:
        options.json.write_text(json.dumps(found) + "\n")


def measure(aligns: dict[str, Any], bench: ModuleType) -> list[dict[str, Any]]:
    """The rows, microseconds a call, printed when all is timed."""
    taken = {}
    for shape in SHAPES:
        for name, align in aligns.items():
            taken[shape, name] = time_shape(align, bench, *shape)
            print(f"timed {told_of(shape)} | {name}: {taken[shape, name]:.2f} us", flush=True)
    links = {launches: chains(launches) for launches in range(1, MOST_LAUNCHES + 1)}
    # Traced only now: a profiler may leave its mark on what is timed after it.
    gpu, rows = Gpu(), []
    print("shape | alignment | launches | kB | roofline us | empty, overlapping, through memory us | taken us | beyond")
    for (shape, name), us in taken.items():
        workload = workload_of(bench, *shape)
        ids = bench.make_inputs(workload, 0)["topk_ids"].cuda()
        kernels = trace(gpu, partial(aligns[name], ids, shape[3], shape[2]))
        launches = sum(each["launches"] for each in kernels)
        chain = links[launches] if launches in links else chains(launches)
        moved = bench.least_bytes(workload)
        row = {
            "shape": shape,
            "alignment": name,
            "launches": launches,
            "bytes": moved,
            "roofline_us": moved / bandwidth() * 1e6,
            **{f"{kind}_us": link for kind, link in chain.items()},
            "taken_us": us,
            "beyond_us": us - chain["through_memory"],
            "kernels": kernels,
        }
        rows.append(row)
        print(
            f"{told_of(shape)} | {name} | {launches} | {moved / 1e3:.1f} | {row['roofline_us']:.3f} | "
            f"{' '.join(f'{link:.2f}' for link in chain.values())} | {us:.2f} | {row['beyond_us']:.2f}",
            flush=True,
        )
    return rows


def told_of(shape: tuple[int, int, int, int]) -> str:
    """A shape in words."""
    tokens, top_k, experts, block = shape
    return f"{tokens}x{top_k}, {experts}, {block}"


def trace(gpu: Gpu, call: Callable[[], Any]) -> list[dict[str, Any]]:
    """A call's kernels, with launches and CUPTI's microseconds a call; calls are waited for, so that none overlap."""
    call()

    def run() -> int:
        for _ in range(TRACED):
            call()
            torch.cuda.synchronize()
        return TRACED

    return [
        {"kernel": name, "launches": round(count / TRACED), "us": us / TRACED}
        for name, count, us in gpu.trace_kernels(run)
    ]


def chains(launches: int) -> dict[str, float]:
    """Microseconds that so many launches take which do next to nothing, by kind."""
    return {kind: chain_us(launches, *how) for kind, how in KINDS.items()}


def chain_us(launches: int, overlap: bool, through_memory: bool) -> float:
    """Microseconds that so many launches of `_link_kernel` take."""
    words = torch.zeros(PROGRAMS, dtype=torch.int32, device="cuda")
    options = {"launch_pdl": True} if overlap else {}

    def call() -> None:
        for _ in range(launches):
            _link_kernel[(PROGRAMS,)](words, overlap, through_memory, num_warps=4, **options)

    graph = CallGraph([call] * CALLS)
    return median(graph.replay_us() for _ in range(REPLAYS))


def bandwidth() -> float:
    """Of the device's memory in bytes a second: two transfers a clock, as wide as the bus."""
    properties = triton.runtime.driver.active.utils.get_device_properties(torch.cuda.current_device())
    return 2 * properties["mem_clock_rate"] * 1e3 * properties["mem_bus_width"] / 8


def call_once(aligns: dict[str, Any], bench: ModuleType) -> None:
    """The calls that ncu counts, by shape and then alignment, each compiled before."""
    for shape in COUNTED:
        ids = bench.make_inputs(workload_of(bench, *shape), 0)["topk_ids"].cuda()
        for align in aligns.values():
            align(ids, shape[3], shape[2])
            torch.cuda.synchronize()
            torch.cuda.profiler.start()
            align(ids, shape[3], shape[2])
            torch.cuda.synchronize()
            torch.cuda.profiler.stop()


def count(rows: list[dict[str, Any]], patches: list[str], space: Path) -> dict[str, Any]:
    """What ncu counts, by shape and alignment, or why it does not."""
    command = [sys.executable, "-m", "benchmarks.moe_limits", "--calls-only", *patches]
    try:
        kernels = profile(command, space / "ncu.log", timeout=120)
    except (NoProfileError, subprocess.SubprocessError) as error:
        print(f"not counted: {error}")
        return {"reason": str(error)}
    wanted = [
        {"shape": row["shape"], "alignment": row["alignment"]}
        for shape in COUNTED
        for row in rows
        if row["shape"] == shape
        for each in row["kernels"]
        for _ in range(0 if each["kernel"].startswith("Mem") else each["launches"])
    ]
    if len(wanted) != len(kernels):
        return {"reason": f"{len(kernels)} kernels were counted, not the {len(wanted)} traced", "kernels": kernels}
    counted = [{**row, **kernel} for row, kernel in zip(wanted, kernels, strict=True)]
    for each in counted:
        print(" ".join(f"{name}={value}" for name, value in each.items()), flush=True)
    return {"kernels": counted}


if __name__ == "__main__":
    main()
