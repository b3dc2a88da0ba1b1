"""A fused mixture-of-experts layer in Triton, written to see what aligning its tokens is worth inside one.

Given what a router chose, five steps: align the (token, expert) pairs to blocks; a grouped matrix product makes every
pair's gate and up halves; SiLU of the one times the other; a second grouped product, scaled by the router's weight;
the sum over each token's experts. This is how vLLM and SGLang build the layer. The block sizes are a fixed table, so
that nothing is tuned, and every alignment is timed inside the same layer.
"""
# ruff: noqa: ANN001  (Triton itself types the arguments of its kernels)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import triton
import triton.language as tl

Aligned = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Align = Callable[[torch.Tensor, int, int], Aligned]


@dataclass(frozen=True)
class Tiles:
    """How the grouped products are cut up.

    Attributes:
        rows: pairs in a tile, all of one expert: the block size of the alignment.
        columns: outputs in a tile; divides both products' widths.
        depth: elements of the sum that one step takes; divides both products' depths.
        group: tiles one above the other that run side by side and so share an expert's weights in the L2 cache.
        warps: of a program.
        stages: steps whose loads are under way at once.
    """

    rows: int
    columns: int
    depth: int
    group: int
    warps: int
    stages: int


# Up to so many pairs an expert, on average. In decode weights are read once and a tile of 16 rows wastes least; in
# prefill tiles are as large as registers allow.
TABLE: tuple[tuple[float, Tiles], ...] = (
    (1, Tiles(rows=16, columns=32, depth=128, group=1, warps=4, stages=5)),
    (16, Tiles(rows=16, columns=64, depth=128, group=4, warps=4, stages=4)),
    (128, Tiles(rows=64, columns=128, depth=64, group=8, warps=4, stages=4)),
    (float("inf"), Tiles(rows=128, columns=256, depth=64, group=8, warps=8, stages=3)),
)


@dataclass(frozen=True)
class Experts:
    """A layer's weights: gate_up [experts, 2 * inner, hidden], gate first; down [experts, hidden, inner]."""

    gate_up: torch.Tensor
    down: torch.Tensor


@dataclass(frozen=True)
class Routing:
    """What a router chose: ids int32 [tokens, top_k], and how much each counts, float32 [tokens, top_k]."""

    ids: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class Space:
    """What lies between the steps: [pairs, 2 * inner], [pairs, inner], [pairs, hidden]. Layers may share one."""

    gate_up: torch.Tensor
    inner: torch.Tensor
    down: torch.Tensor


def tiles_for(pairs: int, experts: int) -> Tiles:
    """The table's tiles for so many (token, expert) pairs."""
    return next(tiles for most, tiles in TABLE if pairs <= most * experts)


def space_for(pairs: int, weights: Experts) -> Space:
    """Memory for the steps of a layer of so many pairs."""
    like = weights.down
    hidden, inner = like.shape[1:]
    return Space(like.new_empty(pairs, 2 * inner), like.new_empty(pairs, inner), like.new_empty(pairs, hidden))


def fused_moe(
    x: torch.Tensor, weights: Experts, routing: Routing, align: Align, tiles: Tiles, space: Space, out: torch.Tensor
) -> None:
    """The layer.

    Args:
        x: [tokens, hidden], contiguous, of the weights' dtype.
        weights: of the experts.
        routing: of the tokens.
        align: (ids, block, experts) -> sorted_token_ids, expert_ids, num_tokens_post_pad.
        tiles: how to cut the products up.
        space: from `space_for`; holds nothing afterwards that counts.
        out: [tokens, hidden]; gets the result.

    Raises:
        ValueError: the tiles do not divide the weights' shapes.
    """
    experts, hidden, inner = weights.down.shape
    top_k = routing.ids.shape[1]
    pairs = routing.ids.numel()
    for name, value, by in (
        ("2 * inner", 2 * inner, tiles.columns),
        ("hidden", hidden, tiles.columns),
        ("hidden", hidden, tiles.depth),
        ("inner", inner, tiles.depth),
    ):
        if value % by:
            raise ValueError(f"{name} is {value}, which tiles of {by} do not divide: {tiles}")
    aligned = align(routing.ids, tiles.rows, experts)
    _grouped_product(x, weights.gate_up, routing.weights, space.gate_up, aligned, tiles, fan=top_k, scaled=False)
    wide = 256
    _silu_and_multiply_kernel[(triton.cdiv(pairs, 8), triton.cdiv(inner, wide))](
        space.gate_up, space.inner, pairs, inner, 8, wide, num_warps=4
    )
    _grouped_product(space.inner, weights.down, routing.weights, space.down, aligned, tiles, fan=1, scaled=True)
    _sum_over_experts_kernel[(x.shape[0], triton.cdiv(hidden, 512))](space.down, out, hidden, top_k, 512, num_warps=4)


def _grouped_product(
    x: torch.Tensor,
    weights: torch.Tensor,
    scales: torch.Tensor,
    out: torch.Tensor,
    aligned: Aligned,
    tiles: Tiles,
    *,
    fan: int,
    scaled: bool,
) -> None:
    """Row p of `out` becomes row p // fan of `x` times the transposed weights of the expert that p was routed to."""
    pairs_of_slots, owners, used_slots = aligned
    pairs, columns = out.shape
    # How many blocks are in use is known on the device alone; programs beyond them end at once.
    grid = (owners.numel() * (columns // tiles.columns),)
    _grouped_product_kernel[grid](
        x, weights, scales, out, pairs_of_slots, owners, used_slots, pairs, columns, x.shape[1], owners.numel(),
        fan, scaled, tiles.rows, tiles.columns, tiles.depth, tiles.group,
        num_warps=tiles.warps, num_stages=tiles.stages,
    )  # fmt: skip


@triton.jit(do_not_specialize=["pairs", "blocks", "fan"])
def _grouped_product_kernel(
    x_ptr,
    weights_ptr,
    scales_ptr,
    out_ptr,
    pairs_of_slots_ptr,
    owners_ptr,
    used_slots_ptr,
    pairs,
    columns,
    depth,
    blocks,
    fan,
    scaled: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
    step: tl.constexpr,
    group: tl.constexpr,
) -> None:
    """One tile of the result: the rows of one block of slots, all of them its owner's."""
    # Down a group's blocks first, then to the next columns: neighbours in time read the same weights.
    tiles_across = columns // tile_columns
    program = tl.program_id(0)
    first_block = program // (group * tiles_across) * group
    blocks_in_group = tl.minimum(blocks - first_block, group)
    within = program % (group * tiles_across)
    block = first_block + within % blocks_in_group
    first_column = within // blocks_in_group * tile_columns
    if block * tile_rows >= tl.load(used_slots_ptr):
        return

    pair = tl.load(pairs_of_slots_ptr + block * tile_rows + tl.arange(0, tile_rows))
    there = pair < pairs
    owner = tl.load(owners_ptr + block).to(tl.int64)
    column = first_column + tl.arange(0, tile_columns)
    along = tl.arange(0, step)
    x_at = x_ptr + (pair // fan).to(tl.int64)[:, None] * depth + along[None, :]
    weights_at = weights_ptr + owner * columns * depth + column.to(tl.int64)[None, :] * depth + along[:, None]
    sums = tl.zeros([tile_rows, tile_columns], tl.float32)
    for _ in range(0, depth, step):
        some = tl.load(x_at, mask=there[:, None], other=0.0)
        sums = tl.dot(some, tl.load(weights_at), sums)
        x_at += step
        weights_at += step
    if scaled:
        sums *= tl.load(scales_ptr + pair, mask=there, other=0.0)[:, None]
    out_at = out_ptr + pair.to(tl.int64)[:, None] * columns + column[None, :]
    tl.store(out_at, sums.to(out_ptr.dtype.element_ty), mask=there[:, None])


@triton.jit(do_not_specialize=["pairs"])
def _silu_and_multiply_kernel(
    gate_up_ptr, inner_ptr, pairs, inner, tile_rows: tl.constexpr, tile_columns: tl.constexpr
) -> None:
    """SiLU(gate) * up, [pairs, inner], from gate_up [pairs, 2 * inner]."""
    pair = (tl.program_id(0) * tile_rows + tl.arange(0, tile_rows)).to(tl.int64)[:, None]
    column = tl.program_id(1) * tile_columns + tl.arange(0, tile_columns)[None, :]
    there = (pair < pairs) & (column < inner)
    gate = tl.load(gate_up_ptr + pair * (2 * inner) + column, mask=there, other=0.0).to(tl.float32)
    up = tl.load(gate_up_ptr + pair * (2 * inner) + inner + column, mask=there, other=0.0).to(tl.float32)
    product = gate / (1.0 + tl.exp(-gate)) * up
    tl.store(inner_ptr + pair * inner + column, product.to(inner_ptr.dtype.element_ty), mask=there)


@triton.jit
def _sum_over_experts_kernel(down_ptr, out_ptr, hidden, top_k: tl.constexpr, width: tl.constexpr) -> None:
    """The sum of each token's rows of down [tokens * top_k, hidden], in their order."""
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * width + tl.arange(0, width)
    there = column < hidden
    total = tl.zeros([width], tl.float32)
    for choice in tl.static_range(top_k):
        row = down_ptr + (token * top_k + choice) * hidden
        total += tl.load(row + column, mask=there, other=0.0).to(tl.float32)
    tl.store(out_ptr + token * hidden + column, total.to(out_ptr.dtype.element_ty), mask=there)


def plain_moe(x: torch.Tensor, weights: Experts, routing: Routing) -> torch.Tensor:
    """The layer in plain PyTorch, expert by expert in float32, rounded where the kernels round: [tokens, hidden]."""
    dtype, inner = x.dtype, weights.down.shape[2]
    total = torch.zeros_like(x, dtype=torch.float32)
    for expert in range(weights.down.shape[0]):
        token, choice = (routing.ids == expert).nonzero(as_tuple=True)
        both = (x[token].float() @ weights.gate_up[expert].float().T).to(dtype).float()
        product = (torch.nn.functional.silu(both[:, :inner]) * both[:, inner:]).to(dtype).float()
        scaled = product @ weights.down[expert].float().T * routing.weights[token, choice][:, None]
        total.index_add_(0, token, scaled.to(dtype).float())
    return total.to(dtype)
