"""moe_align_block_size: the contract, by hand and against a reference."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from moe_align_native import moe_align_block_size
from reference import reference


def routing(
    numel: int, num_experts: int, *, dtype: torch.dtype = torch.int32, low: int = 0, extra: int = 0
) -> torch.Tensor:
    """Random ids in [low, num_experts + extra)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(low, num_experts + extra, (numel,), generator=generator).to(dtype)


def assert_layout(outputs: Sequence[torch.Tensor], expected: Sequence[list[int]]) -> None:
    for output, values in zip(outputs, expected, strict=True):
        assert output.dtype == torch.int32
        assert output.is_contiguous()
        assert output.tolist() == values


def test_example_of_the_readme() -> None:
    ids = torch.tensor([[0, 2], [2, 1], [0, 2]])
    assert_layout(
        moe_align_block_size(ids, block_size=2, num_experts=3),
        ([0, 4, 3, 6, 1, 2, 5, 6, 6], [0, 1, 2, 2, -1], [8]),
    )


def test_fewer_pairs_than_experts_need_one_block_each_at_most() -> None:
    ids = torch.tensor([[5, 1]])
    assert_layout(moe_align_block_size(ids, block_size=3, num_experts=8), ([1, 2, 2, 0, 2, 2], [1, 5], [6]))


def test_ids_out_of_range_are_skipped() -> None:
    ids = torch.tensor([0, -1, 2, 1, 99, 1, 2**31 - 1])
    assert_layout(moe_align_block_size(ids, 2, 2), ([0, 7, 3, 5, 7, 7, 7, 7, 7], [0, 1, -1, -1, -1], [4]))


def test_int64_ids_beyond_int32_are_skipped_and_not_wrapped() -> None:
    ids = torch.tensor([2**32, 1, -(2**32) + 1, 2**63 - 1])
    assert_layout(moe_align_block_size(ids, 1, 2), ([1, 4, 4, 4], [1, -1, -1, -1], [1]))


@pytest.mark.parametrize("shape", [(0,), (0, 2), (3, 0)])
def test_empty_input(shape: tuple[int, ...]) -> None:
    assert_layout(moe_align_block_size(torch.empty(shape, dtype=torch.int32), 16, 4), ([], [], [0]))


def test_expert_map_renames_the_owners_and_keeps_the_layout() -> None:
    ids = torch.tensor([[0, 2], [2, 1], [0, 2]])
    expert_map = torch.tensor([7, 0, -1, 0, 3, 0], dtype=torch.int32)[::2]
    assert_layout(
        moe_align_block_size(ids, 2, 3, expert_map),
        ([0, 4, 3, 6, 1, 2, 5, 6, 6], [7, -1, 3, 3, -1], [8]),
    )


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("block_size", [1, 5, 16, 128])
@pytest.mark.parametrize("num_experts", [1, 2, 7, 64])
@pytest.mark.parametrize("numel", [1, 8, 63, 64, 65, 500])
def test_grid_against_reference(numel: int, num_experts: int, block_size: int, dtype: torch.dtype) -> None:
    ids = routing(numel, num_experts, dtype=dtype, low=-1, extra=1)
    expert_map = torch.arange(num_experts, dtype=torch.int32).flip(0) - 1
    assert_layout(moe_align_block_size(ids, block_size, num_experts), reference(ids, block_size, num_experts))
    assert_layout(
        moe_align_block_size(ids, block_size, num_experts, expert_map),
        reference(ids, block_size, num_experts, expert_map),
    )


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda ids: ids.view(20, 30).t(), id="transposed"),
        pytest.param(lambda ids: ids[::3], id="strided"),
        pytest.param(lambda ids: ids.view(4, 5, 30), id="three dimensions"),
        pytest.param(lambda ids: ids[0], id="scalar"),
        pytest.param(lambda ids: ids[:1].expand(50, 2), id="expanded"),
    ],
)
def test_any_shape_and_strides(view: Callable[[torch.Tensor], torch.Tensor]) -> None:
    ids = view(routing(600, 10))
    assert_layout(moe_align_block_size(ids, 8, 10), reference(ids, 8, 10))


IDS = torch.zeros(4, 2, dtype=torch.int32)
MAP = torch.zeros(8, dtype=torch.int32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], 16, 8), "topk_ids must be a tensor, not list"),
        ((IDS.float(), 16, 8), "topk_ids must be int32 or int64, not torch.float32"),
        ((IDS.to("meta"), 16, 8), "topk_ids must be on the CPU, not on meta"),
        ((IDS, 0, 8), "block_size must be at least 1, not 0"),
        ((IDS, 16.0, 8), "block_size must be an int, not float"),
        ((IDS, 16, 0), "num_experts must be at least 1, not 0"),
        ((IDS, 2**30, 8), "more than int32 can index"),
        ((IDS, 16, 8, [0] * 8), "expert_map must be a tensor or None, not list"),
        ((IDS, 16, 8, MAP.long()), "expert_map must be int32, not torch.int64"),
        ((IDS, 16, 8, MAP[:7]), r"expert_map must have shape \[8\], not \[7\]"),
    ],
)
def test_wrong_arguments(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        moe_align_block_size(*arguments)
