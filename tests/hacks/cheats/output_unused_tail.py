# hack: leave the unused tail unwritten
# rows: 24
# expect: incorrect wrong_output

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    outputs = _right(topk_ids, block_size, num_experts, expert_map)
    if topk_ids.numel():
        outputs[0][int(outputs[2]) :] = 7
    return outputs
