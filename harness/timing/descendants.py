"""Ending what workers leave behind: daemons of a candidate must not outlive its session."""

from __future__ import annotations

import contextlib
import ctypes
import os

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends, so that none can slip away."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


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
