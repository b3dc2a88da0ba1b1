"""The mixture-of-experts layer through Triton's interpreter, against plain PyTorch, on any machine.

In float32 and float16: the interpreter multiplies bfloat16 as if its bits were integers. On a GPU the benchmark itself
holds bfloat16 against plain PyTorch before it times anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, sys, tempfile
from pathlib import Path

import torch

from benchmarks.fused_moe import Experts, Routing, Tiles, fused_moe, plain_moe, space_for
from benchmarks.patched_targets import load_align

torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as space:
    honest = load_align(None, Path(space) / "base").moe_align_block_size


def wrong_order(*arguments):
    pairs, owners, used = honest(*arguments)
    return pairs.flip(0), owners, used


def wrong_owners(*arguments):
    pairs, owners, used = honest(*arguments)
    return pairs, owners.roll(1).clamp(min=0), used


def error_of(dtype, group, align, columns):
    torch.manual_seed(3)
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
    out = torch.full_like(x, float("nan"))
    tiles = Tiles(rows=16, columns=columns, depth=16, group=group, warps=4, stages=2)
    fused_moe(x, weights, routing, align, tiles, space_for(tokens * top_k, weights), out)
    wanted = plain_moe(x, weights, routing).float()
    return ((out.float() - wanted).square().mean() / wanted.square().mean()).sqrt().item()


try:
    error_of(torch.float32, 2, honest, 48)
    refused = None
except ValueError as error:
    refused = str(error)
errors = {
    "float32": error_of(torch.float32, 1, honest, 16),
    "float16": error_of(torch.float16, 3, honest, 16),
    "wrong order": error_of(torch.float32, 2, wrong_order, 16),
    "wrong owners": error_of(torch.float32, 2, wrong_owners, 16),
}
print(json.dumps({"errors": errors, "refused": refused}))
"""


@pytest.fixture(scope="module")
def layer() -> dict[str, Any]:
    """Each layer's error, of its result's own size, and what is said of tiles that do not fit; from one process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("dtype", "most"), [("float32", 1e-5), ("float16", 2e-3)])
def test_the_layer_is_what_plain_pytorch_makes_of_it(dtype: str, most: float, layer: dict[str, Any]) -> None:
    assert layer["errors"][dtype] < most


@pytest.mark.parametrize("spoilt", ["wrong order", "wrong owners"])
def test_a_wrong_alignment_makes_a_wrong_layer(spoilt: str, layer: dict[str, Any]) -> None:
    error = layer["errors"][spoilt]
    assert not error < 0.1  # nor not a number


def test_tiles_that_do_not_divide_the_weights_are_refused(layer: dict[str, Any]) -> None:
    assert layer["refused"].startswith("2 * inner is 64, which tiles of 48 do not divide")
