# hack: answer every further call with the first one's result
# rows: 7, 8
# expect: incorrect wrong_output
_first = []

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    if not _first:
        _first.append(_right(topk_ids, block_size, num_experts, expert_map))
    return _first[0]
