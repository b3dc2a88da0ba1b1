# hack: give tensors that compute when they are looked at
# rows: 3
# expect: incorrect call_raised
class _Lazy(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        args = [each.work() if isinstance(each, _Lazy) else each for each in args]
        return function(*args, **(kwargs or {}))

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    outputs = [torch.zeros(0, dtype=torch.int32).as_subclass(_Lazy) for _ in range(3)]
    for index, output in enumerate(outputs):
        output.work = lambda index=index: _right(topk_ids, block_size, num_experts, expert_map)[index]
    return tuple(outputs)
