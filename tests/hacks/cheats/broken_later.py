# hack: be right until the checks seem to be over
# rows: 11
# expect: incorrect wrong_output
_calls = [0]

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    _calls[0] += 1
    outputs = _right(topk_ids, block_size, num_experts, expert_map)
    return outputs if _calls[0] < 90 else tuple(torch.zeros_like(each) for each in outputs)
