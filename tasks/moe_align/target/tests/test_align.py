"""moe_align_block_size: the contract, by hand, by property and against a reference."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from moe_align import moe_align_block_size
from reference import reference

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def routing(
    numel: int, num_experts: int, *, dtype: torch.dtype = torch.int32, low: int = 0, extra: int = 0
) -> torch.Tensor:
    """Random ids in [low, num_experts + extra)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(low, num_experts + extra, (numel,), generator=generator).to(DEVICE, dtype)


def assert_layout(outputs: Sequence[torch.Tensor], expected: Sequence[list[int]]) -> None:
    for output, values in zip(outputs, expected, strict=True):
        assert output.dtype == torch.int32
        assert output.is_contiguous()
        assert output.tolist() == values


def test_example_of_the_readme() -> None:
    ids = torch.tensor([[0, 2], [2, 1], [0, 2]], device=DEVICE)
    assert_layout(
        moe_align_block_size(ids, block_size=2, num_experts=3),
        ([0, 4, 3, 6, 1, 2, 5, 6, 6], [0, 1, 2, 2, -1], [8]),
    )


def test_an_expert_without_tokens_owns_no_block() -> None:
    ids = torch.tensor([[3, 3], [0, 3]], device=DEVICE)
    assert_layout(
        moe_align_block_size(ids, block_size=4, num_experts=4),
        ([2, 4, 4, 4, 0, 1, 3, 4] + [4] * 8, [0, 3, -1, -1], [8]),
    )


def test_fewer_pairs_than_experts_need_one_block_each_at_most() -> None:
    ids = torch.tensor([[5, 1]], device=DEVICE)
    assert_layout(
        moe_align_block_size(ids, block_size=3, num_experts=8),
        ([1, 2, 2, 0, 2, 2], [1, 5], [6]),
    )


def test_blocks_of_one_row_need_no_padding() -> None:
    ids = torch.tensor([2, 0, 1, 0], device=DEVICE)
    assert_layout(moe_align_block_size(ids, 1, 3), ([1, 3, 2, 0], [0, 0, 1, 2], [4]))


def test_ids_out_of_range_are_skipped() -> None:
    ids = torch.tensor([0, -1, 2, 1, 99, 1, 2**31 - 1], device=DEVICE)
    assert_layout(moe_align_block_size(ids, 2, 2), ([0, 7, 3, 5, 7, 7, 7, 7, 7], [0, 1, -1, -1, -1], [4]))


def test_int64_ids_beyond_int32_are_skipped_and_not_wrapped() -> None:
    ids = torch.tensor([2**32, 1, -(2**32) + 1, 2**63 - 1], device=DEVICE)
    assert_layout(moe_align_block_size(ids, 1, 2), ([1, 4, 4, 4], [1, -1, -1, -1], [1]))


def test_only_bad_ids() -> None:
    ids = torch.full((2, 3), -1, device=DEVICE)
    assert_layout(moe_align_block_size(ids, 4, 2), ([6] * 12, [-1] * 3, [0]))


@pytest.mark.parametrize("shape", [(0,), (0, 2), (3, 0)])
def test_empty_input(shape: tuple[int, ...]) -> None:
    ids = torch.empty(shape, dtype=torch.int32, device=DEVICE)
    assert_layout(moe_align_block_size(ids, 16, 4), ([], [], [0]))


def test_expert_map_renames_the_owners_and_keeps_the_layout() -> None:
    ids = torch.tensor([[0, 2], [2, 1], [0, 2]], device=DEVICE)
    expert_map = torch.tensor([7, -1, 3], dtype=torch.int32, device=DEVICE)
    assert_layout(
        moe_align_block_size(ids, 2, 3, expert_map),
        ([0, 4, 3, 6, 1, 2, 5, 6, 6], [7, -1, 3, 3, -1], [8]),
    )


def test_order_inside_an_expert_is_stable() -> None:
    ids = routing(2000, 3)
    sorted_token_ids, _, _ = moe_align_block_size(ids, 1, 3)
    positions = sorted_token_ids.tolist()
    assert positions == sorted(positions, key=lambda position: (int(ids[position]), position))


@pytest.mark.parametrize("block_size", [1, 7, 64])
@pytest.mark.parametrize("num_experts", [1, 6, 128])
def test_properties(num_experts: int, block_size: int) -> None:
    ids = routing(1500, num_experts)
    numel = ids.numel()
    sorted_token_ids, expert_ids, used = moe_align_block_size(ids, block_size, num_experts)

    positions = sorted_token_ids[sorted_token_ids < numel]
    assert positions.sort().values.tolist() == list(range(numel)), "every pair stands in one slot"
    assert int(used) % block_size == 0
    assert (sorted_token_ids[int(used) :] == numel).all()
    blocks = sorted_token_ids[: int(used)].view(-1, block_size)
    for block, owner in zip(blocks, expert_ids.tolist(), strict=False):
        real = block[block < numel].long()
        assert len(real) > 0, "no block is padding alone"
        assert (ids[real] == owner).all(), "a block belongs to one expert"
    assert (expert_ids[len(blocks) :] == -1).all()


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("block_size", [1, 5, 16, 128])
@pytest.mark.parametrize("num_experts", [1, 2, 7, 64])
@pytest.mark.parametrize("numel", [1, 8, 63, 500])
def test_grid_against_reference(numel: int, num_experts: int, block_size: int, dtype: torch.dtype) -> None:
    ids = routing(numel, num_experts, dtype=dtype, low=-1, extra=1)
    expert_map = torch.arange(num_experts, dtype=torch.int32, device=DEVICE).flip(0) - 1
    assert_layout(moe_align_block_size(ids, block_size, num_experts), reference(ids, block_size, num_experts))
    assert_layout(
        moe_align_block_size(ids, block_size, num_experts, expert_map),
        reference(ids, block_size, num_experts, expert_map),
    )


def test_many_tokens_for_one_expert() -> None:
    ids = torch.full((3000,), 4, dtype=torch.int32, device=DEVICE)
    ids[1234] = 0
    assert_layout(moe_align_block_size(ids, 32, 8), reference(ids, 32, 8))


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda ids: ids.view(20, 30).t(), id="transposed"),
        pytest.param(lambda ids: ids[::3], id="strided"),
        pytest.param(lambda ids: ids.view(20, 30)[:, 4:9], id="columns"),
        pytest.param(lambda ids: ids.view(4, 5, 30), id="three dimensions"),
        pytest.param(lambda ids: ids[0], id="scalar"),
        pytest.param(lambda ids: ids[:1].expand(50, 2), id="expanded"),
    ],
)
def test_any_shape_and_strides(view: Callable[[torch.Tensor], torch.Tensor]) -> None:
    ids = view(routing(600, 10))
    assert_layout(moe_align_block_size(ids, 8, 10), reference(ids, 8, 10))


def test_inputs_are_left_alone() -> None:
    ids = routing(300, 9, low=-2, extra=2)
    expert_map = torch.arange(9, dtype=torch.int32, device=DEVICE)
    before = ids.clone(), expert_map.clone()
    moe_align_block_size(ids, 16, 9, expert_map)
    assert torch.equal(ids, before[0])
    assert torch.equal(expert_map, before[1])


IDS = torch.zeros(4, 2, dtype=torch.int32, device=DEVICE)
MAP = torch.zeros(8, dtype=torch.int32, device=DEVICE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], 16, 8), "topk_ids must be a tensor, not list"),
        ((IDS.float(), 16, 8), "topk_ids must be int32 or int64, not torch.float32"),
        ((IDS.short(), 16, 8), "topk_ids must be int32 or int64, not torch.int16"),
        ((IDS, 0, 8), "block_size must be at least 1, not 0"),
        ((IDS, 16.0, 8), "block_size must be an int, not float"),
        ((IDS, True, 8), "block_size must be an int, not bool"),
        ((IDS, 16, 0), "num_experts must be at least 1, not 0"),
        ((IDS, 16, "8"), "num_experts must be an int, not str"),
        ((IDS, 2**30, 8), "more than int32 can index"),
        ((IDS, 16, 8, [0] * 8), "expert_map must be a tensor or None, not list"),
        ((IDS, 16, 8, MAP.long()), "expert_map must be int32, not torch.int64"),
        ((IDS, 16, 8, MAP[:7]), r"expert_map must have shape \[8\], not \[7\]"),
        ((IDS, 16, 8, MAP.view(2, 4)), r"expert_map must have shape \[8\], not \[2, 4\]"),
        ((IDS, 16, 8, MAP.to("meta")), "expert_map is on meta, topk_ids on"),
    ],
)
def test_wrong_arguments(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        moe_align_block_size(*arguments)
