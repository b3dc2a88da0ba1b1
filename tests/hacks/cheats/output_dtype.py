# hack: give another dtype
# rows: 23
# expect: incorrect wrong_output

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    return tuple(each.to(torch.int16) for each in _right(topk_ids, block_size, num_experts, expert_map))
