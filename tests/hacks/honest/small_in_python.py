# honest: small batches in plain Python, without tensors
_align_large = _align_with_torch


def _align_with_torch(ids, block_size, num_experts):
    if ids.numel() > 64:
        return _align_large(ids, block_size, num_experts)
    groups: dict[int, list[int]] = {}
    for position, expert in enumerate(ids.tolist()):
        if 0 <= expert < num_experts:
            groups.setdefault(expert, []).append(position)
    numel = ids.numel()
    slots, owners = [], []
    for expert in sorted(groups):
        members = groups[expert]
        blocks = -(-len(members) // block_size)
        slots += members + [numel] * (blocks * block_size - len(members))
        owners += [expert] * blocks
    total = _count_slots(numel, block_size, num_experts)
    used = len(slots)
    slots += [numel] * (total - used)
    owners += [-1] * (-(-total // block_size) - len(owners))
    return (
        torch.tensor(slots, dtype=torch.int32),
        torch.tensor(owners, dtype=torch.int32),
        torch.tensor([used], dtype=torch.int32),
    )
