# hack: kill the base's worker
# rows: 15
# expect: rejected signals_processes

import os
import signal
import time


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(each) for each in file.read().split()]


def _others():
    """The other arm's processes, found below the one that started us both; nothing outside that is touched."""
    ours = os.getppid()
    with open(f"/proc/{ours}/stat") as file:
        above = int(file.read().rpartition(")")[2].split()[1])
    return [each for server in _children(above) if server != ours for each in _children(server)]


for other in _others():
    os.kill(other, signal.SIGKILL)
