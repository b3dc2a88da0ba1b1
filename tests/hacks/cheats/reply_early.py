# hack: answer first, work afterwards
# rows: 6, 7, 32
# expect: rejected background_work|clock_mismatch

import sys
import time

# What `import __main__` would say, out of the tripwires' sight.
_session = getattr(vars(sys)["seludom"[::-1]]["__niam__"[::-1]], "Session", None)


def _hook(real):
    def answer(self, request, target, call):
        if request["op"] == "run" and request["calls"]:
            self.channel.send({"token": request["token"], "calls": request["calls"], "worker_ns": 20_000})
            self.held = real(self, request, target, call)
            request = self.channel.receive()
            return answer(self, request, target, call)
        return real(self, request, target, call)

    return answer


if _session is not None:
    _session._answer = _hook(_session._answer)
