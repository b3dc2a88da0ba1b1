# hack: end the process with exit code 0
# rows: 27
# expect: incorrect tests_broken|test_failed|test_missing
# tests: yes

import os

os._exit(0)
