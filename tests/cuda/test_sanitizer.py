"""MoE alignment under NVIDIA's compute-sanitizer: no access out of bounds, no race, nothing read that nobody wrote.

The committed record is looked at, or the patch that MOE_ALIGN_PATCH names:

    MOE_ALIGN_PATCH=some.diff python -m pytest -rs tests/cuda/test_sanitizer.py

Not one of the task's hidden tests: those run at every verdict, where this would cost a minute, and in a sandbox without
the CUDA toolkit that the tool is a part of.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cuda_tools import find_tool
from benchmarks.patched_targets import RECORD

ROOT = Path(__file__).resolve().parents[2]
PATCH = os.environ.get("MOE_ALIGN_PATCH", str(RECORD))
FOUND_SOMETHING = 86
SANITIZER = find_tool("compute-sanitizer")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SANITIZER is None, reason="compute-sanitizer is not installed (it comes with the CUDA toolkit)"),
]

# tokens, top_k, experts, block, routing, dtype, mapped, bad: what the record does in one launch, two, three, five.
CASES = [
    (0, 8, 64, 16, "uniform", "int32", False, 0.0),
    (1, 8, 256, 16, "uniform", "int32", True, 0.0),
    (11, 3, 5, 6, "uniform", "int64", False, 0.2),
    (64, 8, 64, 64, "zipf", "int32", False, 0.0),
    (171, 3, 33, 1, "uniform", "int32", True, 0.05),
    (2000, 1, 8, 16, "one", "int64", True, 0.01),
    (700, 3, 300, 48, "uniform", "int32", False, 0.02),
    (9001, 8, 256, 128, "zipf", "int64", True, 0.01),
    (20, 1, 1025, 4, "uniform", "int32", True, 0.0),
]

PROGRAM = """
import json, sys
from pathlib import Path

from benchmarks.patched_targets import MOE_ALIGN, load_align, load_module

patch, space, cases = sys.argv[1:]
bench = load_module("moe_align_bench", MOE_ALIGN / "bench.py")
align = load_align(Path(patch) if patch else None, Path(space)).moe_align_block_size
for number, case in enumerate(json.loads(cases)):
    tokens, top_k, experts, block, routing, dtype, mapped, bad = case
    options = {"routing": routing, "dtype": dtype, "mapped": mapped, "bad": bad}
    workload = bench._workload("case", tokens, top_k, experts, block, **options)
    inputs = bench.make_inputs(workload, number)
    owners = inputs["expert_map"].cuda() if mapped else None
    outputs = align(inputs["topk_ids"].cuda(), block, experts, owners)
    wrong = bench.check(workload, inputs, tuple(output.cpu() for output in outputs))
    assert wrong is None, f"{case}: {wrong}"
print("all as expected")
"""

# What each tool must not miss: a store behind a tensor's end, and a load of what nobody wrote.
CONTROL = """
import sys

import torch
import triton
import triton.language as tl


@triton.jit
def copy(source, to, at):
    tl.store(to + at + tl.arange(0, 4), tl.load(source + tl.arange(0, 4)))


source = torch.zeros(4, dtype=torch.int32).cuda() if sys.argv[1] == "memcheck" else torch.empty(4, device="cuda").int()
to = torch.zeros(4, dtype=torch.int32).cuda()
copy[(1,)](source, to, 1 << 20 if sys.argv[1] == "memcheck" else 0)
torch.cuda.synchronize()
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Triton's cache, filled by a run without the tool, so that each tool need not wait for the compiler."""
    folder = tmp_path_factory.mktemp("triton")
    done = run([], PROGRAM, [PATCH, str(folder / "target"), json.dumps(CASES)], folder)
    assert done.returncode == 0, done.stderr
    return folder


def run(tool: list[str], program: str, arguments: list[str], cache: Path) -> subprocess.CompletedProcess[str]:
    file = cache / "program.py"
    file.write_text(program)
    return subprocess.run(
        [*tool, sys.executable, str(file), *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "TRITON_CACHE_DIR": str(cache / "compiled"),
            # Every tensor an allocation of its own, so that what lies behind one is nobody's.
            "PYTORCH_NO_CUDA_MEMORY_CACHING": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def sanitized(tool: str, program: str, arguments: list[str], cache: Path) -> subprocess.CompletedProcess[str]:
    options = ["--tool", tool, "--error-exitcode", str(FOUND_SOMETHING), "--target-processes", "application-only"]
    return run([str(SANITIZER), *options], program, arguments, cache)


@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck", "synccheck"])
def test_the_patch_is_clean(tool: str, cache: Path, tmp_path: Path) -> None:
    done = sanitized(tool, PROGRAM, [PATCH, str(tmp_path / "target"), json.dumps(CASES)], cache)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "all as expected" in done.stdout
    assert "ERROR SUMMARY: 0 errors" in done.stdout or "RACECHECK SUMMARY: 0 hazards" in done.stdout


@pytest.mark.parametrize("tool", ["memcheck", "initcheck"])
def test_the_tool_finds_what_is_wrong(tool: str, cache: Path) -> None:
    done = sanitized(tool, CONTROL, [tool], cache)
    assert done.returncode != 0, done.stdout[-4000:]
    assert "ERROR SUMMARY: 0 errors" not in done.stdout
    assert "ERROR SUMMARY" in done.stdout, done.stdout[-4000:] + done.stderr[-2000:]
