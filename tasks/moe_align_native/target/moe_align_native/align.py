"""Block alignment of mixture-of-experts routing: arguments and outputs here, the work in `csrc/align.cpp`."""

from __future__ import annotations

import torch

from moe_align_native import _align

INT32_MAX = 2**31 - 1


def moe_align_block_size(
    topk_ids: torch.Tensor,
    block_size: int,
    num_experts: int,
    expert_map: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sort (token, expert) pairs by expert and pad every expert's group to whole blocks.

    A pair is named by its position in the flattened `topk_ids`, so that `position // top_k` is its token. Ids
    outside [0, num_experts) are skipped: their pairs appear nowhere in the result.

    Args:
        topk_ids: the experts each token was routed to; int32 or int64 on the CPU, any shape (usually
            [tokens, top_k]), any strides, may be empty. `numel` below is its number of elements.
        block_size: rows in a block, at least 1.
        num_experts: number of experts, at least 1.
        expert_map: int32 [num_experts] on the CPU, or None. Replaces each expert id in `expert_ids`, after the
            layout is done; an expert mapped to -1 (it lives on another device) keeps its blocks, and they carry -1.

    Returns:
        Three contiguous int32 tensors. With `slots = numel + num_experts * (block_size - 1)`, and no more than
        `numel * block_size` where `numel < num_experts`:

        sorted_token_ids: [slots]. Experts ascending; in an expert's region the positions of its pairs, ascending,
            then padding up to a multiple of `block_size`. Padding, and everything behind the last region, is
            `numel`. An expert without pairs has no region.
        expert_ids: [ceil(slots / block_size)]. The expert that owns each block; -1 for unused blocks.
        num_tokens_post_pad: [1]. The number of slots in use, padding included.

    Raises:
        ValueError: an argument has the wrong type, dtype, shape, device or range.
    """
    slots = _check_arguments(topk_ids, block_size, num_experts, expert_map)
    ids = topk_ids.contiguous()
    owners = None if expert_map is None else expert_map.contiguous()
    blocks = -(-slots // block_size)
    sorted_token_ids = torch.empty(slots, dtype=torch.int32)
    expert_ids = torch.empty(blocks, dtype=torch.int32)
    num_tokens_post_pad = torch.empty(1, dtype=torch.int32)
    _align.align(
        ids.data_ptr(),
        ids.element_size(),
        ids.numel(),
        block_size,
        num_experts,
        0 if owners is None else owners.data_ptr(),
        sorted_token_ids.data_ptr(),
        slots,
        expert_ids.data_ptr(),
        blocks,
        num_tokens_post_pad.data_ptr(),
    )
    return sorted_token_ids, expert_ids, num_tokens_post_pad


def _check_arguments(topk_ids: torch.Tensor, block_size: int, num_experts: int, expert_map: torch.Tensor | None) -> int:
    """Check everything the C++ relies on; gives the number of slots."""
    if not isinstance(topk_ids, torch.Tensor):
        raise ValueError(f"topk_ids must be a tensor, not {type(topk_ids).__name__}")
    if topk_ids.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"topk_ids must be int32 or int64, not {topk_ids.dtype}")
    if topk_ids.device.type != "cpu":
        raise ValueError(f"topk_ids must be on the CPU, not on {topk_ids.device}")
    for name, value in (("block_size", block_size), ("num_experts", num_experts)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{name} must be an int, not {type(value).__name__}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    numel = topk_ids.numel()
    slots = numel + num_experts * (block_size - 1)
    if numel < num_experts:
        # Fewer pairs than experts: at most one block for each pair.
        slots = min(slots, numel * block_size)
    if max(slots, num_experts) > INT32_MAX:
        raise ValueError(f"the result needs {slots} slots, more than int32 can index ({INT32_MAX})")
    if expert_map is not None:
        _check_map(expert_map, num_experts)
    return slots


def _check_map(expert_map: torch.Tensor, num_experts: int) -> None:
    if not isinstance(expert_map, torch.Tensor):
        raise ValueError(f"expert_map must be a tensor or None, not {type(expert_map).__name__}")
    if expert_map.dtype != torch.int32:
        raise ValueError(f"expert_map must be int32, not {expert_map.dtype}")
    if expert_map.shape != (num_experts,):
        raise ValueError(f"expert_map must have shape [{num_experts}], not {list(expert_map.shape)}")
    if expert_map.device.type != "cpu":
        raise ValueError(f"expert_map must be on the CPU, not on {expert_map.device}")
