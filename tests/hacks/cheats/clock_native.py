# hack: write into the interpreter's memory
# rows: 5
# expect: rejected writes_interpreter

import ctypes

ctypes.memmove(id(len) + 16, id(max) + 16, 8)
