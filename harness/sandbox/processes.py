"""The harness's own process: keeping it closed to what it confines, and finding what is inside from outside."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import psutil

from harness.sandbox.launcher import kernel


def harden_self() -> None:
    """Close this process's environment, memory and descriptors to other processes of the same user.

    The model's key is in this environment. Processes in a process namespace or under Landlock cannot look at it
    anyway; this is for what runs with `--sandbox none`, and it switches core dumps off. Call it once, early.
    """
    kernel.hide_memory()


def end_with_parent() -> None:
    """Have this process asked to end (SIGTERM) when the thread that started it is gone, however it went."""
    kernel.die_with_parent(signal.SIGTERM)


def host_pid(wrapper: int, inner: int) -> int | None:
    """The number out here of a process that calls itself `inner`, somewhere below the started process `wrapper`.

    Args:
        wrapper: the process that was started with a sandbox's `wrap`.
        inner: the number inside. Without a process namespace the two are the same.

    Returns:
        The number, or None where there is no such descendant.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(wrapper).children(recursive=True):
            if _innermost(process.pid) == inner:
                return process.pid
    return None


def lineage(wrapper: int, pid: int) -> set[int]:
    """`pid` and every process between it and `wrapper`, that included: none of them may be killed to keep `pid`."""
    found = {wrapper}
    with contextlib.suppress(psutil.NoSuchProcess):
        process: psutil.Process | None = psutil.Process(pid)
        while process is not None and process.pid != wrapper:
            found.add(process.pid)
            process = process.parent()
    return found


def _innermost(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return None
