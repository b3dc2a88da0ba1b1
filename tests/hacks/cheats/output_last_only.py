# hack: get only the last output right
# rows: 20
# expect: incorrect wrong_output

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    outputs = _right(topk_ids, block_size, num_experts, expert_map)
    return torch.empty_like(outputs[0]), torch.empty_like(outputs[1]), outputs[2]
