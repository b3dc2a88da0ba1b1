# honest: do it twice: slower, and no crime
_align_once = _align_with_torch


def _align_with_torch(ids, block_size, num_experts):
    _align_once(ids, block_size, num_experts)
    return _align_once(ids, block_size, num_experts)
