"""The sandbox of timing workers: files, network, signals and tracing confined, process numbers left alone.

A worker's CPU time and the processes it leaves behind are watched from outside while it is timed, so it must be
visible from outside: no namespaces of its own. What it may write is its arm's private folder; what it may read, its
tree and the system. The other arm, the harness, the bench and the network are out of its reach.
"""

from __future__ import annotations

import functools
from pathlib import Path

from harness.sandbox.choose import choose_sandbox
from harness.sandbox.confinement import Confinement, Sandbox, SandboxUnavailable

UNCONFINED = "none"


@functools.cache
def _sandbox() -> Sandbox | None:
    try:
        return choose_sandbox("landlock-only")
    except SandboxUnavailable:
        return None


def worker_sandbox(wanted: str, device: str) -> str:
    """The name of what confines workers here, for the record; `none` where nothing does.

    Args:
        wanted: the run's sandbox; where it is `none`, workers are not confined either.
        device: on `cuda` workers are not confined: the driver needs files that Landlock alone would open too wide.
    """
    if wanted == UNCONFINED or device == "cuda" or _sandbox() is None:
        return UNCONFINED
    return "landlock-only"


def worker_wrap(
    name: str, root: Path, home: Path, *, readable: tuple[Path, ...] = (), modes: bool = False
) -> list[str]:
    """What goes before a worker's command line.

    Args:
        name: what `worker_sandbox` gave.
        root: the arm's checkout, to be read.
        home: the arm's private folder, to be written.
        readable: what may be read besides.
        modes: whether it may change files' modes, of whatever belongs to the user: the base's checkout, too.
    """
    sandbox = _sandbox()
    if name == UNCONFINED or sandbox is None:
        return []
    return sandbox.wrap(Confinement(writable=(home,), readable=(root, *readable), modes=modes))
