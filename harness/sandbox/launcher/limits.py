"""Limits on what each process may use up."""

from __future__ import annotations

import os
import resource

from .spec import Limits


def limit_self(limits: Limits, *, counted_apart: bool) -> None:
    """Set the limits of this process, which its children inherit and cannot raise.

    Memory is limited by RLIMIT_DATA, what a process may write to privately, and not by RLIMIT_AS: CUDA reserves
    terabytes of addresses that it never touches.

    Args:
        limits: the limits.
        counted_apart: whether the kernel counts this command's processes apart from the user's others.
    """
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: limits.processes + (0 if counted_apart else _processes_of_this_user()),
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_NICE: 0,
        resource.RLIMIT_RTPRIO: 0,
    }
    for kind, value in wanted.items():
        if value is not None:
            hard = resource.getrlimit(kind)[1]
            new = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (new, new))
    # When memory runs out all the same, the kernel ends these processes before anything else of the machine's.
    write("/proc/self/oom_score_adj", "1000")


def write(path: str, text: str) -> bool:
    """Write to a file of the kernel's; False where it may not be."""
    try:
        with open(path, "w", encoding="ascii") as stream:
            stream.write(text)
    except OSError:
        return False
    return True


def _processes_of_this_user() -> int:
    """Threads of this user on the whole machine, which RLIMIT_NPROC counts where there is no user namespace."""
    user = os.getuid()
    count = 0
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += os.stat(f"/proc/{name}/task").st_nlink - 2
        except OSError:
            continue  # it has just ended
    return count
