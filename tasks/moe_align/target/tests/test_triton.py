"""The Triton stages, on the GPU where there is one and through the interpreter elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from moe_align.align import _align_with_triton
from reference import reference

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def assert_matches_reference(ids: torch.Tensor, block_size: int, num_experts: int) -> None:
    outputs = _align_with_triton(ids.to(DEVICE), block_size, num_experts)
    for output, values in zip(outputs, reference(ids, block_size, num_experts), strict=True):
        assert output.dtype == torch.int32
        assert output.tolist() == values


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("block_size", [1, 6, 16])
@pytest.mark.parametrize("num_experts", [1, 5, 8])
@pytest.mark.parametrize("numel", [1, 7, 256])
def test_grid_against_reference(numel: int, num_experts: int, block_size: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(numel)
    ids = torch.randint(-1, num_experts + 1, (numel,), generator=generator, dtype=dtype)
    assert_matches_reference(ids, block_size, num_experts)


@pytest.mark.parametrize("low", [0, 31], ids=["even", "last expert takes all"])
def test_many_ids_for_many_experts(low: int) -> None:
    generator = torch.Generator().manual_seed(low)
    assert_matches_reference(torch.randint(low, 32, (1024,), generator=generator), 16, 32)


def test_a_chunk_of_several_tiles() -> None:
    # One expert, one chunk, and more ids than a program compares at once.
    assert_matches_reference(torch.randint(-1, 1, (9000,), generator=torch.Generator().manual_seed(0)), 4, 1)


def test_empty_input() -> None:
    assert_matches_reference(torch.empty(0, dtype=torch.int32), 16, 4)


def test_the_package_works_without_triton() -> None:
    program = (
        "import os, sys\n"
        "os.environ.pop('TRITON_INTERPRET', None)\n"
        "os.environ['CUDA_VISIBLE_DEVICES'] = ''\n"
        "sys.modules['triton'] = None  # importing it raises ImportError\n"
        "import torch, moe_align\n"
        "print(moe_align.moe_align_block_size(torch.tensor([1, 0]), 1, 2)[0].tolist())\n"
    )
    root = Path(__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "[1, 0]", result.stderr
