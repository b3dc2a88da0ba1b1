# hack: time nothing, and compute an output once somebody asks for it
# rows: 3, 7, 32
# expect: rejected background_work|protocol_violation|clock_mismatch

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
