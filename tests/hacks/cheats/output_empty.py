# hack: give nothing
# rows: 20
# expect: incorrect wrong_output

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    return ()
