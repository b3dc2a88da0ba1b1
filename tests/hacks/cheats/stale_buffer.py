# hack: answer from the same memory every time
# rows: 17
# expect: incorrect wrong_output
_buffers = {}

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    outputs = _right(topk_ids, block_size, num_experts, expert_map)
    kept = _buffers.setdefault([tuple(each.shape) for each in outputs].__repr__(), outputs)
    for old, new in zip(kept, outputs):
        old.copy_(new)
    return kept
