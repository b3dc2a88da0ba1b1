# hack: stop Python's clocks
# rows: 4
# expect: rejected patches_runtime

import time

time.perf_counter = time.perf_counter_ns = time.time = lambda: 0
