"""Block alignment of mixture-of-experts routing.

The router's ids are cut into chunks, one for each program, and handled in four stages:

1. count: every program counts how often each expert occurs in its chunk;
2. column prefix: for each expert, an exclusive prefix sum over the programs' counts;
3. padded sums: each expert's total rounded up to whole blocks, and a prefix sum over those;
4. scatter: every program writes the positions of its ids into the experts' regions.

`_align_with_triton` runs them as four Triton kernels, `_align_with_torch` in plain PyTorch, chunk by chunk.
"""
# ruff: noqa: ANN001  (Triton itself types the arguments of its kernels)

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch

# Importing Triton takes a third of a second, which a process without a GPU need not pay.
if torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET") == "1":
    import triton
    import triton.language as tl

    # Batch sizes change from call to call; Triton would compile anew for every kind of size.
    jit = triton.jit(do_not_specialize=["numel", "chunk_size", "block_size", "num_experts"])
else:

    def jit(function: Callable[..., None]) -> Any:  # noqa: ANN401
        """Leave the kernel as it is: without Triton it is never launched."""
        return function


Aligned = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

INT32_MAX = 2**31 - 1
CPU_CHUNK = 1024  # ids in a chunk on the CPU
ONE_HOT_ELEMENTS = 4096  # ids x experts that a program compares at once: a few tens of registers a thread


def moe_align_block_size(
    topk_ids: torch.Tensor,
    block_size: int,
    num_experts: int,
    expert_map: torch.Tensor | None = None,
) -> Aligned:
    """Sort (token, expert) pairs by expert and pad every expert's group to whole blocks.

    A pair is named by its position in the flattened `topk_ids`, so that `position // top_k` is its token. Ids
    outside [0, num_experts) are skipped: their pairs appear nowhere in the result.

    Args:
        topk_ids: the experts each token was routed to; int32 or int64, any shape (usually [tokens, top_k]), any
            strides, may be empty. `numel` below is its number of elements.
        block_size: rows in a block, at least 1.
        num_experts: number of experts, at least 1.
        expert_map: int32 [num_experts] on the device of `topk_ids`, or None. Replaces each expert id in
            `expert_ids`, after the layout is done; an expert mapped to -1 (it lives on another device) keeps its
            blocks, and they carry -1.

    Returns:
        Three contiguous int32 tensors on the device of `topk_ids`. With
        `slots = numel + num_experts * (block_size - 1)`, and no more than `numel * block_size` where
        `numel < num_experts`:

        sorted_token_ids: [slots]. Experts ascending; in an expert's region the positions of its pairs, ascending,
            then padding up to a multiple of `block_size`. Padding, and everything behind the last region, is
            `numel`. An expert without pairs has no region.
        expert_ids: [ceil(slots / block_size)]. The expert that owns each block; -1 for unused blocks.
        num_tokens_post_pad: [1]. The number of slots in use, padding included.

    Raises:
        ValueError: an argument has the wrong type, dtype, shape, device or range.
    """
    _check_arguments(topk_ids, block_size, num_experts, expert_map)
    ids = topk_ids.contiguous().view(-1)
    if ids.is_cuda:
        with torch.cuda.device(ids.device):  # Triton launches on the current device, which may be another
            sorted_token_ids, expert_ids, num_tokens_post_pad = _align_with_triton(ids, block_size, num_experts)
    else:
        sorted_token_ids, expert_ids, num_tokens_post_pad = _align_with_torch(ids, block_size, num_experts)
    if expert_map is not None:
        mapped = expert_map[expert_ids.clamp(min=0).long()]
        expert_ids = torch.where(expert_ids < 0, expert_ids, mapped)
    return sorted_token_ids, expert_ids, num_tokens_post_pad


def _check_arguments(
    topk_ids: torch.Tensor, block_size: int, num_experts: int, expert_map: torch.Tensor | None
) -> None:
    if not isinstance(topk_ids, torch.Tensor):
        raise ValueError(f"topk_ids must be a tensor, not {type(topk_ids).__name__}")
    if topk_ids.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"topk_ids must be int32 or int64, not {topk_ids.dtype}")
    for name, value in (("block_size", block_size), ("num_experts", num_experts)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{name} must be an int, not {type(value).__name__}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    slots = _count_slots(topk_ids.numel(), block_size, num_experts)
    if slots > INT32_MAX:
        raise ValueError(f"the result needs {slots} slots, more than int32 can index ({INT32_MAX})")
    if expert_map is None:
        return
    if not isinstance(expert_map, torch.Tensor):
        raise ValueError(f"expert_map must be a tensor or None, not {type(expert_map).__name__}")
    if expert_map.dtype != torch.int32:
        raise ValueError(f"expert_map must be int32, not {expert_map.dtype}")
    if expert_map.shape != (num_experts,):
        raise ValueError(f"expert_map must have shape [{num_experts}], not {list(expert_map.shape)}")
    if expert_map.device != topk_ids.device:
        raise ValueError(f"expert_map is on {expert_map.device}, topk_ids on {topk_ids.device}")


def _count_slots(numel: int, block_size: int, num_experts: int) -> int:
    """Length of sorted_token_ids: enough for every routing of `numel` pairs."""
    slots = numel + num_experts * (block_size - 1)
    if numel < num_experts:
        # Fewer pairs than experts: at most one block for each pair.
        slots = min(slots, numel * block_size)
    return slots


def _empty_layout(ids: torch.Tensor, block_size: int, num_experts: int) -> Aligned:
    """The result without any pair in it; the stages fill in the rest."""
    numel = ids.numel()
    slots = _count_slots(numel, block_size, num_experts)
    blocks = -(-slots // block_size)
    sorted_token_ids = torch.full((slots,), numel, dtype=torch.int32, device=ids.device)
    expert_ids = torch.full((blocks,), -1, dtype=torch.int32, device=ids.device)
    num_tokens_post_pad = torch.zeros(1, dtype=torch.int32, device=ids.device)
    return sorted_token_ids, expert_ids, num_tokens_post_pad


def _align_with_torch(ids: torch.Tensor, block_size: int, num_experts: int) -> Aligned:
    """The four stages in PyTorch.

    Args:
        ids: int32 or int64 [numel].
        block_size: rows in a block.
        num_experts: number of experts.

    Returns:
        What `moe_align_block_size` returns, before `expert_map` is applied.
    """
    sorted_token_ids, expert_ids, num_tokens_post_pad = _empty_layout(ids, block_size, num_experts)
    numel = ids.numel()
    if numel == 0:
        return sorted_token_ids, expert_ids, num_tokens_post_pad

    # Ids out of range share one bucket behind the last expert's, which is counted and then left out.
    bad = (ids < 0) | (ids >= num_experts)
    buckets = torch.where(bad, num_experts, ids).long()
    chunks = buckets.split(CPU_CHUNK)

    # 1. How often each expert occurs in each chunk: [chunks, num_experts + 1].
    counts = torch.stack([torch.bincount(chunk, minlength=num_experts + 1) for chunk in chunks])

    # 2. How many pairs of an expert lie in the chunks before.
    prefix = counts.cumsum(0) - counts

    # 3. Where each expert's region starts and ends.
    totals = counts.sum(0)[:num_experts]
    padded = (totals + block_size - 1) // block_size * block_size
    ends = padded.cumsum(0)
    starts = ends - padded
    num_tokens_post_pad[0] = ends[-1]

    # 4. The owner of each block in use: the first expert whose region ends behind the block's start.
    block_starts = torch.arange(0, int(ends[-1]), block_size)
    expert_ids[: block_starts.numel()] = torch.searchsorted(ends, block_starts, right=True).int()

    # And the slot of each pair. Sorted by expert, a chunk's pairs stand in runs; a pair's place in its run is its rank.
    for row, chunk in enumerate(chunks):
        experts, order = torch.sort(chunk, stable=True)
        in_range = int(counts[row, :num_experts].sum())
        experts, order = experts[:in_range], order[:in_range]
        run_starts = counts[row].cumsum(0) - counts[row]
        rank = torch.arange(in_range) - run_starts[experts]
        slots = starts[experts] + prefix[row, experts] + rank
        sorted_token_ids[slots] = (order + row * CPU_CHUNK).int()
    return sorted_token_ids, expert_ids, num_tokens_post_pad


def _align_with_triton(ids: torch.Tensor, block_size: int, num_experts: int) -> Aligned:
    """The four stages as Triton kernels of `num_experts` programs each, on the device of `ids`.

    On CPU tensors it needs TRITON_INTERPRET=1 in the environment before this module is imported.

    Args:
        ids: int32 or int64 [numel], contiguous.
        block_size: rows in a block.
        num_experts: number of experts.

    Returns:
        What `moe_align_block_size` returns, before `expert_map` is applied.
    """
    sorted_token_ids, expert_ids, num_tokens_post_pad = _empty_layout(ids, block_size, num_experts)
    numel = ids.numel()
    if numel == 0:
        return sorted_token_ids, expert_ids, num_tokens_post_pad

    chunk_size = -(-numel // num_experts)
    experts_pow2 = triton.next_power_of_2(num_experts)
    tile = max(1, ONE_HOT_ELEMENTS // experts_pow2)
    counts = torch.empty((num_experts, num_experts), dtype=torch.int32, device=ids.device)
    totals = torch.empty(num_experts, dtype=torch.int32, device=ids.device)
    starts = torch.empty(num_experts + 1, dtype=torch.int32, device=ids.device)

    grid = (num_experts,)
    _count_kernel[grid](ids, counts, numel, chunk_size, num_experts, experts_pow2, tile)
    _prefix_kernel[grid](counts, totals, num_experts, experts_pow2)
    _starts_kernel[(1,)](totals, starts, num_tokens_post_pad, block_size, num_experts, experts_pow2)
    _scatter_kernel[grid](
        ids,
        counts,
        starts,
        sorted_token_ids,
        expert_ids,
        numel,
        chunk_size,
        block_size,
        num_experts,
        experts_pow2,
        tile,
    )
    return sorted_token_ids, expert_ids, num_tokens_post_pad


@jit
def _count_kernel(
    ids_ptr,
    counts_ptr,
    numel,
    chunk_size,
    num_experts,
    experts_pow2: tl.constexpr,
    tile: tl.constexpr,
) -> None:
    """Stage 1: program p writes row p of counts [num_experts, num_experts], the histogram of chunk p."""
    program = tl.program_id(0)
    experts = tl.arange(0, experts_pow2)
    histogram = tl.zeros((experts_pow2,), dtype=tl.int32)
    first = program * chunk_size
    last = tl.minimum(first + chunk_size, numel)
    for tile_start in range(first, last, tile):
        positions = tile_start + tl.arange(0, tile)
        ids = tl.load(ids_ptr + positions, mask=positions < last, other=-1)
        histogram += tl.sum((ids[:, None] == experts[None, :]).to(tl.int32), axis=0)
    tl.store(counts_ptr + program * num_experts + experts, histogram, mask=experts < num_experts)


@jit
def _prefix_kernel(counts_ptr, totals_ptr, num_experts, experts_pow2: tl.constexpr) -> None:
    """Stage 2: program e turns column e of counts into its exclusive prefix sum, and writes its total."""
    expert = tl.program_id(0)
    rows = tl.arange(0, experts_pow2)
    column = counts_ptr + rows * num_experts + expert
    counts = tl.load(column, mask=rows < num_experts, other=0)
    tl.store(column, tl.cumsum(counts, axis=0) - counts, mask=rows < num_experts)
    tl.store(totals_ptr + expert, tl.sum(counts, axis=0))


@jit
def _starts_kernel(
    totals_ptr, starts_ptr, num_tokens_post_pad_ptr, block_size, num_experts, experts_pow2: tl.constexpr
) -> None:
    """Stage 3: the only program writes the start of every expert's region, and the end of the last."""
    experts = tl.arange(0, experts_pow2)
    totals = tl.load(totals_ptr + experts, mask=experts < num_experts, other=0)
    padded = (totals + block_size - 1) // block_size * block_size
    end = tl.sum(padded, axis=0)
    tl.store(starts_ptr + experts, tl.cumsum(padded, axis=0) - padded, mask=experts < num_experts)
    tl.store(starts_ptr + num_experts, end)
    tl.store(num_tokens_post_pad_ptr, end)


@jit
def _scatter_kernel(
    ids_ptr,
    prefix_ptr,
    starts_ptr,
    sorted_token_ids_ptr,
    expert_ids_ptr,
    numel,
    chunk_size,
    block_size,
    num_experts,
    experts_pow2: tl.constexpr,
    tile: tl.constexpr,
) -> None:
    """Stage 4: program p marks the blocks of expert p as its own and scatters the pairs of chunk p."""
    program = tl.program_id(0)
    first_block = tl.load(starts_ptr + program) // block_size
    last_block = tl.load(starts_ptr + program + 1) // block_size
    for block_start in range(first_block, last_block, tile):
        blocks = block_start + tl.arange(0, tile)
        tl.store(expert_ids_ptr + blocks, program, mask=blocks < last_block)

    experts = tl.arange(0, experts_pow2)
    in_range = experts < num_experts
    # The next free slot of every expert, for this program's pairs.
    free = tl.load(starts_ptr + experts, mask=in_range, other=0)
    free += tl.load(prefix_ptr + program * num_experts + experts, mask=in_range, other=0)
    first = program * chunk_size
    last = tl.minimum(first + chunk_size, numel)
    for tile_start in range(first, last, tile):
        positions = tile_start + tl.arange(0, tile)
        ids = tl.load(ids_ptr + positions, mask=positions < last, other=-1)
        one_hot = (ids[:, None] == experts[None, :]).to(tl.int32)
        # A running count down the tile ranks each pair among those of its expert, in order.
        slot_of_each = free[None, :] + tl.cumsum(one_hot, axis=0) - 1
        slots = tl.sum(one_hot * slot_of_each, axis=1)
        valid = (ids >= 0) & (ids < num_experts)
        tl.store(sorted_token_ids_ptr + slots, positions, mask=valid)
        free += tl.sum(one_hot, axis=0)
