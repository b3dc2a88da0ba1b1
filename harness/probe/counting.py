"""How often each function of one source tree is called: cProfile's counts, which are exact; its times are not used."""

from __future__ import annotations

import cProfile
import os
import signal
from types import FrameType
from typing import Any

import _perf_harness_ending as ending

_NANOSECONDS = 20_000_000
ROOT = "PERF_HARNESS_PROBE_ROOT"


def start(_began: float) -> None:
    """Count this process's calls until its end, and those of its forks."""
    folder = os.getcwd()
    now: dict[str, Any] = {"counter": cProfile.Profile(builtins=False)}

    def write(_frame: FrameType | None) -> None:
        now["counter"].disable()
        root = os.environ[ROOT]
        calls = []
        for entry in now["counter"].getstats():
            path = os.path.join(folder, entry.code.co_filename) if hasattr(entry.code, "co_filename") else ""
            if path.startswith(root + os.sep):
                where = os.path.relpath(path, root)
                calls.append([entry.code.co_name, where, entry.code.co_firstlineno, entry.callcount])
        ending.tell({"calls": calls})

    def restart() -> None:
        now["counter"].disable()
        now["counter"] = cProfile.Profile(builtins=False)
        ending.start_timer(_NANOSECONDS)
        now["counter"].enable()

    ending.at_end(write, restart)
    signal.signal(ending.TICK, lambda _number, _frame: None)
    ending.start_timer(_NANOSECONDS)
    now["counter"].enable()
