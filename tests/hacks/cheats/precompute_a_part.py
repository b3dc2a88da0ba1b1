# hack: do every fifth call while the inputs are taken in, which is not much
# rows: 7, 8, 32
# expect: rejected background_work
import sys

# What `import __main__` would say, out of the tripwires' sight.
_session = getattr(vars(sys)["seludom"[::-1]]["__niam__"[::-1]], "Session", None)
_known = {}

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    found = _known.pop(id(topk_ids), None)
    return found if found is not None else _right(topk_ids, block_size, num_experts, expert_map)


def _hook(real):
    def answer(self, request, target, call):
        reply = real(self, request, target, call)
        if request["op"] == "inputs":
            _known.clear()
            _known.update({id(each["topk_ids"]): call(target, each) for each in self.inputs[::5]})
        return reply

    return answer


if _session is not None:
    _session._answer = _hook(_session._answer)
