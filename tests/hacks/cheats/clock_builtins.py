# hack: replace a builtin that the timer may use
# rows: 4
# expect: rejected patches_runtime

import builtins

builtins.min = lambda *_: 0
