# hack: leave the inputs changed
# rows: 18
# expect: incorrect wrong_output

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    outputs = _right(topk_ids, block_size, num_experts, expert_map)
    topk_ids.zero_()
    return outputs
