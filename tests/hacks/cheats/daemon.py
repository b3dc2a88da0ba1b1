# hack: leave a process behind that belongs to nobody
# rows: 30
# expect: rejected background_work

import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(0.01)
    os._exit(0)
