# hack: stop the worker's own clock, out of the tripwires' sight
# rows: 4, 32
# expect: rejected clock_mismatch

import sys

_main = vars(sys)["seludom"[::-1]]["__niam__"[::-1]]
_main.perf_counter_ns = lambda: 0
