"""The mixture-of-experts layer through Triton's interpreter, against plain PyTorch, on any machine.

In float32 and float16: the interpreter multiplies bfloat16 as if its bits were integers. On a GPU the benchmark itself
holds bfloat16 against plain PyTorch before it times anything.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
from pathlib import Path

import torch

from benchmarks.fused_moe import Experts, Routing, Tiles, fused_moe, plain_moe, space_for
from benchmarks.patched_targets import load_align

torch.set_num_threads(1)
torch.manual_seed(3)
dtype, group, spoil = getattr(torch, sys.argv[1]), int(sys.argv[2]), sys.argv[3]
tokens, top_k, experts, hidden, inner = 21, 3, 5, 64, 32
weights = Experts(
    (torch.randn(experts, 2 * inner, hidden) * hidden**-0.5).to(dtype),
    (torch.randn(experts, hidden, inner) * inner**-0.5).to(dtype),
)
scores = torch.rand(tokens, experts)
scores[:, 2] = 0  # nobody's choice: an expert without a block
scores[:, 4] += 1  # everybody's: more than one block
best = scores.topk(top_k, dim=1)
routing = Routing(best.indices.int(), torch.softmax(best.values, dim=1))
x = torch.randn(tokens, hidden).to(dtype)
align = load_align(None, Path(sys.argv[4]) / "base").moe_align_block_size
if spoil == "order":
    honest = align
    def align(*arguments):
        pairs, owners, used = honest(*arguments)
        return pairs.flip(0), owners, used
if spoil == "owners":
    honest = align
    def align(*arguments):
        pairs, owners, used = honest(*arguments)
        return pairs, owners.roll(1).clamp(min=0), used
out = torch.full_like(x, float("nan"))
space = space_for(tokens * top_k, weights)
tiles = Tiles(rows=16, columns=int(sys.argv[5]), depth=16, group=group, warps=4, stages=2)
fused_moe(x, weights, routing, align, tiles, space, out)
wanted = plain_moe(x, weights, routing).float()
error = ((out.float() - wanted).square().mean() / wanted.square().mean()).sqrt().item()
assert error < {torch.float32: 1e-5, torch.float16: 2e-3}[dtype], f"off by {error}"
print("right", error)
"""


def run_layer(
    tmp_path: Path, dtype: str, group: int = 2, spoil: str = "nothing", columns: int = 16
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, dtype, str(group), spoil, str(tmp_path), str(columns)],
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("dtype", "group"), [("float32", 1), ("float16", 3)])
def test_the_layer_is_what_plain_pytorch_makes_of_it(dtype: str, group: int, tmp_path: Path) -> None:
    done = run_layer(tmp_path, dtype, group)
    assert done.returncode == 0, done.stderr
    assert "right" in done.stdout


@pytest.mark.parametrize("spoil", ["order", "owners"])
def test_a_wrong_alignment_makes_a_wrong_layer(spoil: str, tmp_path: Path) -> None:
    done = run_layer(tmp_path, "float32", spoil=spoil)
    assert done.returncode != 0
    assert "off by" in done.stderr


def test_tiles_that_do_not_divide_the_weights_are_refused(tmp_path: Path) -> None:
    done = run_layer(tmp_path, "float32", columns=48)
    assert "ValueError: 2 * inner is 64, which tiles of 48 do not divide" in done.stderr
