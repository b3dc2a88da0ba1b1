# hack: put all calls of a sample off to its last one, and do them in one go
# rows: 2, 7, 32
# expect: rejected clock_mismatch
# sessions: 6
import sys

import numpy as np

# What `import __main__` would say, out of the tripwires' sight.
_session = getattr(vars(sys)["seludom"[::-1]]["__niam__"[::-1]], "Session", None)
_state = {"left": 0, "asked": []}

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    if not _state["left"]:
        return _right(topk_ids, block_size, num_experts, expert_map)
    slots = _count_slots(topk_ids.numel(), block_size, num_experts)
    outputs = [torch.empty(size, dtype=torch.int32) for size in (slots, -(-slots // block_size), 1)]
    _state["asked"].append((topk_ids, expert_map, outputs))
    _state["left"] -= 1
    if not _state["left"]:
        _do_all(_state["asked"], block_size, num_experts)
        _state["asked"] = []
    return tuple(outputs)


def _do_all(asked, block_size, num_experts):
    ids = np.stack([each.numpy().reshape(-1) for each, _, _ in asked]).astype(np.int64)
    rows, positions = np.nonzero((ids >= 0) & (ids < num_experts))
    keys = ids[rows, positions] + rows * num_experts
    small = keys.astype(np.uint16) if len(asked) * num_experts <= 2**16 else keys
    order = np.argsort(small, kind="stable")
    rows, positions, keys = rows[order], positions[order], keys[order]
    counts = np.bincount(keys, minlength=len(asked) * num_experts)
    blocks = (-(-counts // block_size)).reshape(len(asked), num_experts)
    starts = ((np.cumsum(blocks, 1) - blocks) * block_size).reshape(-1)
    slots = asked[0][2][0].numel()
    made = np.full((len(asked), slots), ids.shape[1], dtype=np.int32)
    runs = np.cumsum(counts) - counts
    made.reshape(-1)[np.arange(keys.size) - runs[keys] + starts[keys] + rows * slots] = positions
    for row, (_, expert_map, outputs) in enumerate(asked):
        outputs[0].numpy()[:] = made[row]
        owners = np.arange(num_experts) if expert_map is None else expert_map.numpy()
        used = int(blocks[row].sum())
        outputs[1].numpy()[:used] = np.repeat(owners, blocks[row])
        outputs[1].numpy()[used:] = -1
        outputs[2].numpy()[0] = used * block_size


def _hook(real):
    def answer(self, request, target, call):
        calls = request.get("calls", 0)
        _state["left"] = calls if calls > 1 else 0
        return real(self, request, target, call)

    return answer


if _session is not None:
    _session._answer = _hook(_session._answer)
