"""Where a process's wall time goes: what its main thread is doing, looked at every millisecond.

A timer of the kernel sends a real-time signal (no program's own alarm is touched), and Python runs the handler at the
next place where it may: after the call into C that is under way, so that time in an extension counts for its caller.
A sample weighs as much as the time since the one before it; a handler that comes late loses nothing. Unlike what hooks
into every call (cProfile, and pyinstrument below its samples), this slows Python code and C code alike, by next to
nothing: a hook that makes bytecode 1.6 times as slow and NumPy no slower would not leave the shares as they are.

Only frames of one source tree are told, outermost first: what a function calls outside it counts for the function.
"""

from __future__ import annotations

import os
import signal
import time
from types import CodeType, FrameType
from typing import Any

import _perf_harness_ending as ending

ROOT = "PERF_HARNESS_PROBE_ROOT"
_NANOSECONDS = 1_000_000
# Who stands in one of these waits for somebody else.
_WAITING_FILES = ("subprocess.py", "selectors.py", "threading.py", "queue.py")
_WAITING_FOLDERS = ("multiprocessing", "concurrent/futures")


class Sampler:
    """One process's samples."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.parent = ending.claim_parent()
        self.folder = os.getcwd()
        self.codes: dict[int, CodeType] = {}  # by identity: to hash a code object is to hash all that is in it
        self.stacks: dict[tuple[int, ...], int] = {}
        self.samples: list[list[float]] = []
        self.busy = False
        signal.signal(ending.TICK, self.tick)
        self.start = self.last = time.monotonic()
        ending.start_timer(_NANOSECONDS)

    def tick(self, _number: int, frame: FrameType | None) -> None:
        """Take a sample."""
        if self.busy:
            return
        self.busy = True
        self._sample(frame)
        self.busy = False

    def _sample(self, frame: FrameType | None) -> None:
        now = time.monotonic()
        seconds, self.last = now - self.last, now
        seen = []
        while frame is not None:
            code = frame.f_code
            seen.append(id(code))
            self.codes[id(code)] = code
            frame = frame.f_back
        number = self.stacks.setdefault(tuple(seen), len(self.stacks))
        if self.samples and self.samples[-1][0] == number:
            self.samples[-1][1] += seconds
        else:
            self.samples.append([number, seconds])

    def write(self, frame: FrameType | None) -> None:
        """Stop, and leave what was seen; `frame` is where it was ended, None at its own end."""
        self._sample(frame)
        frames: dict[tuple[str, str, int], int] = {}
        stacks: dict[tuple[int, ...], int] = {}
        told: list[tuple[int, int]] = []
        for stack in self.stacks:
            codes = [self.codes[each] for each in reversed(stack)]
            inside = tuple(
                frames.setdefault(each, len(frames)) for each in map(self._inside, codes) if each is not None
            )
            told.append((stacks.setdefault(inside, len(stacks)), int(bool(codes) and _waits(codes[-1].co_filename))))
        ending.tell(
            {
                "pid": os.getpid(),
                "parent": self.parent,
                "began": self.began,
                "start": self.start,
                "end": self.last,
                "frames": list(frames),
                "stacks": [list(stack) for stack in stacks],
                "samples": [[told[int(number)][0], seconds, told[int(number)][1]] for number, seconds in self.samples],
            }
        )

    def _inside(self, code: CodeType) -> tuple[str, str, int] | None:
        """Function, file and first line of code, if it is the tree's."""
        path = os.path.join(self.folder, code.co_filename)
        root = os.environ[ROOT]
        if code.co_filename.startswith("<") or not path.startswith(root + os.sep) or "site-packages" in path:
            return None
        return code.co_name, os.path.relpath(path, root), code.co_firstlineno


def _waits(file: str) -> bool:
    folder, _, name = file.rpartition("/")
    standard = os.path.dirname(os.__file__)
    return file.startswith(standard) and (name in _WAITING_FILES or folder.endswith(_WAITING_FOLDERS))


def start(began: float) -> None:
    """Sample this process from now until its end, and its forks from theirs; it began to get ready at `began`."""
    now: dict[str, Any] = {"sampler": Sampler(began)}

    def write(frame: FrameType | None) -> None:
        now["sampler"].write(frame)

    def restart() -> None:
        now["sampler"] = Sampler(time.monotonic())

    ending.at_end(write, restart)
