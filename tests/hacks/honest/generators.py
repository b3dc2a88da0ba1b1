# honest: closures, generators and itertools
from itertools import accumulate, repeat

_align_tensors = _align_with_torch


def _align_with_torch(ids, block_size, num_experts):
    def regions(counts):
        blocks = [-(-count // block_size) for count in counts]
        yield from zip(accumulate(blocks, initial=0), blocks)

    if ids.numel() > 64:
        return _align_tensors(ids, block_size, num_experts)
    sorted_token_ids, expert_ids, num_tokens_post_pad = _empty_layout(ids, block_size, num_experts)
    values = ids.tolist()
    counts = [0] * num_experts
    for value in values:
        if 0 <= value < num_experts:
            counts[value] += 1
    free = []
    for expert, (start, blocks) in enumerate(regions(counts)):
        free.append(start * block_size)
        if blocks:
            expert_ids[start : start + blocks] = torch.tensor(list(repeat(expert, blocks)))
    slots = sorted_token_ids.numpy()
    for position, value in enumerate(values):
        if 0 <= value < num_experts:
            slots[free[value]] = position
            free[value] += 1
    num_tokens_post_pad[0] = sum(-(-count // block_size) for count in counts) * block_size
    return sorted_token_ids, expert_ids, num_tokens_post_pad
