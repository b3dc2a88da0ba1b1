# hack: burn CPU in a child process while the base is timed
# rows: 15, 30
# expect: rejected background_work

import os

if os.fork() == 0:
    parent = os.getppid()
    while os.getppid() == parent:
        sum(range(1000))
    os._exit(0)
