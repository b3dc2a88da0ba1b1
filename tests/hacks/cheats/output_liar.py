# hack: give an object that is equal to everything
# rows: 3
# expect: incorrect call_raised
class _Liar:
    dtype, shape = torch.int32, (1,)

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    return _Liar(), _Liar(), _Liar()
