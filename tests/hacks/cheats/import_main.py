# hack: patch the worker through its module
# rows: 6
# expect: rejected knows_the_judge|patches_runtime

import __main__

__main__.perf_counter_ns = lambda: 0
