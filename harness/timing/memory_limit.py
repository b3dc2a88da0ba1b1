"""A bound on the referee's own memory while it looks at what a worker sent.

A frame of small values is many times its size once it is decoded: without a bound a candidate could have the system
end the referee, which would be an end of ours, tried again and counted in no mean, and not the candidate's.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.timing.wire import Tree, decode

_GIB = 1 << 30
_SMALL_FRAME = 1 << 16
# What Python makes of a byte: an honest tree of numbers is 12 times its frame at most, empty lists are 64 times theirs.
_TIMES = 16
_DATA = 5  # in /proc/self/statm, pages


def decoding_bytes(frame_bytes: int) -> int:
    """How much memory decoding an honest frame may take, on this machine."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(_GIB + _TIMES * frame_bytes, machine // 2)


def decode_bounded(frame: bytes | bytearray) -> Tree:
    """Decode what a worker sent.

    Raises:
        WorkerProtocolError: it is no tree, or takes more memory than an honest one of its size.
    """
    if len(frame) <= _SMALL_FRAME:
        return decode(frame)
    with within_memory(decoding_bytes(len(frame))):
        return decode(frame)


@contextmanager
def within_memory(more_bytes: int) -> Iterator[None]:
    """Let this process take so much more private memory and no more: beyond, Python raises `MemoryError`."""
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[_DATA]) * os.sysconf("SC_PAGE_SIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = used + more_bytes
    allowed = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *allowed]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
