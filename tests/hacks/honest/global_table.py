# honest: a table made at import
_ARANGE = torch.arange(1 << 17)

def _align_with_torch(ids, block_size, num_experts):
    sorted_token_ids, expert_ids, num_tokens_post_pad = _empty_layout(ids, block_size, num_experts)
    if ids.numel() == 0:
        return sorted_token_ids, expert_ids, num_tokens_post_pad
    buckets = torch.where((ids < 0) | (ids >= num_experts), num_experts, ids)
    experts, order = torch.sort(buckets, stable=True)
    counts = torch.bincount(buckets, minlength=num_experts + 1)[:num_experts]
    in_range = int(counts.sum())
    experts, order = experts[:in_range].long(), order[:in_range]
    padded = (counts + block_size - 1) // block_size * block_size
    ends = padded.cumsum(0)
    shift = (ends - padded) - (counts.cumsum(0) - counts)
    sorted_token_ids[(_ARANGE[:in_range] if in_range <= _ARANGE.numel() else torch.arange(in_range)) + shift[experts]] = order.int()
    owners = torch.repeat_interleave(torch.arange(num_experts, dtype=torch.int32), padded // block_size)
    expert_ids[: owners.numel()] = owners
    num_tokens_post_pad[0] = ends[-1]
    return sorted_token_ids, expert_ids, num_tokens_post_pad
