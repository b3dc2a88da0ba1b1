# hack: give NaN, which some comparisons let pass
# rows: 20
# expect: incorrect wrong_output

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    return tuple(torch.full(each.shape, torch.nan) for each in _right(topk_ids, block_size, num_experts, expert_map))
