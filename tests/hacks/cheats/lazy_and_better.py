# hack: time nothing of a better algorithm, and run it once somebody asks
# rows: 3, 7, 32
# expect: rejected background_work|protocol_violation|clock_mismatch
import numpy as np

def _align_with_torch(ids, block_size, num_experts):
    sorted_token_ids, expert_ids, num_tokens_post_pad = _empty_layout(ids, block_size, num_experts)
    values = ids.numpy()
    positions = np.flatnonzero((values >= 0) & (values < num_experts))
    keys = values[positions].astype(np.int64)
    order = np.argsort(keys, kind="stable")
    positions, keys = positions[order], keys[order]
    counts = np.bincount(keys, minlength=num_experts)
    blocks = -(-counts // block_size)
    shift = (np.cumsum(blocks) - blocks) * block_size - (np.cumsum(counts) - counts)
    sorted_token_ids.numpy()[np.arange(keys.size) + shift[keys]] = positions
    used = int(blocks.sum())
    expert_ids.numpy()[:used] = np.repeat(np.arange(num_experts), blocks)
    num_tokens_post_pad[0] = used * block_size
    return sorted_token_ids, expert_ids, num_tokens_post_pad



import sys
import time

# What `import __main__` would say, out of the tripwires' sight.
_session = getattr(vars(sys)["seludom"[::-1]]["__niam__"[::-1]], "Session", None)


class _Lazy(list):
    def __getitem__(self, index):
        if list.__getitem__(self, index) is None:
            self[index] = self.work(index)
        return list.__getitem__(self, index)

    def __iter__(self):
        return (self[index] for index in range(len(self)))


def _hook(real):
    def answer(self, request, target, call):
        if request["op"] != "run" or not request["calls"]:
            return real(self, request, target, call)
        start = time.perf_counter_ns()
        inputs = self.inputs[: request["calls"]]
        self.outputs = _Lazy([None] * len(inputs))
        self.outputs.work = lambda index: call(target, inputs[index])
        return {"token": request["token"], "calls": len(inputs), "worker_ns": time.perf_counter_ns() - start}

    return answer


if _session is not None:
    _session._answer = _hook(_session._answer)
