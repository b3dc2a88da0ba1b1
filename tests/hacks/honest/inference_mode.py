# honest: switch autograd off
_align_inner = _align_with_torch


@torch.inference_mode()
def _align_with_torch(ids, block_size, num_experts):
    return _align_inner(ids, block_size, num_experts)
