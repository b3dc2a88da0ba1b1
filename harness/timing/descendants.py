"""Ending what workers leave behind: daemons of a candidate must not outlive its session."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
# In /proc/PID/stat, counted from behind the name, of children that have ended: page faults, CPU time in clock ticks.
_CMINFLT, _CUTIME, _CSTIME = 8, 13, 14
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# User and system time are each told rounded down.
UNTOLD_NS = 2 * _TICK_NS


@dataclass(frozen=True)
class Used:
    """What a process and its descendants have used up so far.

    Attributes:
        cpu_ns: CPU time in nanoseconds; that of processes which have ended, in ticks of milliseconds, rounded down.
        ended: pages that processes touched which have ended: it grows whenever one more does, and then up to
            `UNTOLD_NS` are missing in `cpu_ns`.
    """

    cpu_ns: int
    ended: int

    def __add__(self, other: Used) -> Used:
        """Both together."""
        return Used(self.cpu_ns + other.cpu_ns, self.ended + other.ended)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends, so that none can slip away."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def used_by_tree(pid: int) -> Used:
    """What a process and its descendants have used so far; nothing once it is gone.

    `(~pid << 3) | 2` is Linux's clock id of another process, what clock_getcpuclockid(3) returns.
    """
    try:
        spent = time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return Used(0, 0)
    return sum(map(used_by_tree, _children(pid)), Used(spent, 0) + _used_by_ended(pid))


def _used_by_ended(pid: int) -> Used:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return Used((int(fields[_CUTIME]) + int(fields[_CSTIME])) * _TICK_NS, int(fields[_CMINFLT]))
    return Used(0, 0)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    # A thread may end while we look; where the kernel keeps no such lists, children's time is not counted.
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found


def strays(kept: set[int], adopters: set[int]) -> list[str]:
    """Processes that came to us because those who started them have ended: they have cut themselves loose.

    Args:
        kept: fork servers, the sandboxes above them and the sessions below.
        adopters: those servers and sandboxes: what comes loose may come to one of them, not to us.
    """
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            adopted = process.ppid() in {os.getpid(), *adopters}
            if process.pid not in kept and adopted and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.name()} ({process.pid})")
    return found


def end_all_but(kept: set[int]) -> None:
    """Kill all descendants of this process but those named, and reap the ones it has adopted.

    Killing a parent can bring new children here (its own), so it goes on until none is left.
    """
    for _ in range(20):
        doomed = [each for each in psutil.Process().children(recursive=True) if each.pid not in kept]
        if not doomed:
            return
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.kill()
        for process in doomed:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, 0)
