# hack: write to the worker's own sockets
# rows: 6
# expect: rejected protocol_violation

import os
import stat

for descriptor in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            os.write(descriptor, b"done" * 8)
    except OSError:
        pass
