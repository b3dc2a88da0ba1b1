# hack: be right for the shapes that are shown only
# rows: 22
# expect: incorrect wrong_output

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    outputs = _right(topk_ids, block_size, num_experts, expert_map)
    shown = (topk_ids.numel(), num_experts) in {(64, 8), (4096, 128)}
    return outputs if shown else tuple(torch.zeros_like(each) for each in outputs)
