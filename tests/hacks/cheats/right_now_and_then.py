# hack: do every third call only
# rows: 7, 11
# expect: incorrect wrong_output
_calls = [0]

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    _calls[0] += 1
    if _calls[0] > 90 and _calls[0] % 3:
        return _empty_layout(topk_ids.view(-1), block_size, num_experts)
    return _right(topk_ids, block_size, num_experts, expert_map)
