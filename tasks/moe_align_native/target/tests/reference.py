"""The contract in plain Python: slow, and too short to be wrong."""

import torch


def reference(
    topk_ids: torch.Tensor, block_size: int, num_experts: int, expert_map: torch.Tensor | None = None
) -> tuple[list[int], list[int], list[int]]:
    """Walk over experts and positions, one at a time, and build the three outputs as lists."""
    ids = topk_ids.flatten().tolist()
    numel = len(ids)
    slots = numel + num_experts * (block_size - 1)
    if numel < num_experts:
        slots = min(slots, numel * block_size)

    sorted_token_ids, expert_ids = [], []
    for expert in range(num_experts):
        region = [position for position, found in enumerate(ids) if found == expert]
        region += [numel] * (-len(region) % block_size)
        sorted_token_ids += region
        owner = expert if expert_map is None else int(expert_map[expert])
        expert_ids += [owner] * (len(region) // block_size)

    used = len(sorted_token_ids)
    sorted_token_ids += [numel] * (slots - used)
    expert_ids += [-1] * (-(-slots // block_size) - len(expert_ids))
    return sorted_token_ids, expert_ids, [used]
