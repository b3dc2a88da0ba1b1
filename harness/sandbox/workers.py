"""The sandbox of timing workers: files, network, signals and tracing confined, process numbers left alone.

A worker's CPU time and the processes it leaves behind are watched from outside while it is timed, so it must be
visible from outside: no namespaces of its own. What it may write is its arm's private folder; what it may read, its
tree and the system. The other arm, the harness, the bench and the network are out of its reach.

A program that is timed whole is watched by a clock alone, and gets the strongest sandbox there is: without namespaces
a run could leave an answer for the next in the machine's /dev/shm, or in the times of the user's files.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import cast

from harness.sandbox.choose import Wanted, choose_sandbox
from harness.sandbox.confinement import Confinement, Sandbox, SandboxUnavailable

UNCONFINED = "none"


@functools.cache
def _sandbox(wanted: str) -> Sandbox | None:
    try:
        return choose_sandbox(cast(Wanted, wanted))
    except SandboxUnavailable:
        return None


def worker_sandbox(wanted: str, device: str) -> str:
    """The name of what confines workers here, for the record; `none` where nothing does.

    Args:
        wanted: the run's sandbox; where it is `none`, workers are not confined either.
        device: on `cuda` workers are not confined: the driver needs files that Landlock alone would open too wide.
    """
    if wanted == UNCONFINED or device == "cuda" or _sandbox("landlock-only") is None:
        return UNCONFINED
    return "landlock-only"


def program_sandbox(wanted: str, device: str) -> str:
    """The name of what confines programs that are timed whole; see `worker_sandbox`."""
    sandbox = None if wanted == UNCONFINED or device == "cuda" else _sandbox(wanted)
    return UNCONFINED if sandbox is None else sandbox.name


def leaves_nothing(name: str) -> bool:
    """Whether what a program has started ends with it: all that may be seen of it afterwards is its sandbox ending."""
    sandbox = None if name == UNCONFINED else _sandbox(name)
    return sandbox is not None and sandbox.separates_processes


def worker_wrap(
    name: str, root: Path, home: Path, *, readable: tuple[Path, ...] = (), whole: bool = False
) -> list[str]:
    """What goes before a worker's command line.

    Args:
        name: what `worker_sandbox` or `program_sandbox` gave.
        root: the arm's checkout, to be read.
        home: the arm's private folder, to be written.
        readable: what may be read besides.
        whole: whether a program is timed whole, by nothing but a clock. Only then may it change files' modes, of
            whatever belongs to the user, the base's checkout, too; and have its children's CPU time forgotten.
    """
    sandbox = None if name == UNCONFINED else _sandbox(name)
    if sandbox is None:
        return []
    return sandbox.wrap(Confinement(writable=(home,), readable=(root, *readable), modes=whole, forgets=whole))
