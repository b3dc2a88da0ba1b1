# hack: give the same answer always
# rows: 21
# expect: incorrect wrong_output

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    return _empty_layout(topk_ids.view(-1), block_size, num_experts)
