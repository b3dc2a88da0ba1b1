"""Bounds on all of a command's processes together: a cgroup for each command, where one can be made.

It takes root and a cgroup tree that may be written to. For root it matters most: RLIMIT_NPROC does not hold for
root's processes, user namespace or not. An ordinary user's are bounded by that.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
from pathlib import Path

from harness.sandbox.confinement import ResourceLimits

_ROOT = Path("/sys/fs/cgroup")
_NAME = "perf-harness-"
_PROCESSES = "pids.max"
# Version 2's name and version 1's.
_MEMORY = ("memory.max", "memory.limit_in_bytes")


def group_prefix(limits: ResourceLimits) -> list[str]:
    """Arguments to put before a command, so that it starts in a group of its own; none where that cannot be.

    Groups of commands that have ended are removed on the way.
    """
    steps = []
    for parent, controls in _parents():
        _sweep(parent)
        values = dict.fromkeys(_MEMORY, limits.total_memory_bytes) | {_PROCESSES: limits.processes}
        settings = [(name, values[name]) for name in controls if values[name] is not None]
        if settings:
            named = f"g={shlex.quote(f'{parent}/{_NAME}')}$$"
            writes = [f'echo {value} >"$g"/{name}' for name, value in settings]
            steps.append(" && ".join([named, 'mkdir "$g"', *writes, 'echo 0 >"$g"/cgroup.procs']))
    if not steps:
        return []
    # A shell, because it starts ten times as fast as Python; its number is the command's, and names the group.
    return ["sh", "-c", f'{{ {"; ".join(steps)}; }} 2>/dev/null; exec "$@"', "sh"]


@functools.cache
def _parents() -> tuple[tuple[Path, tuple[str, ...]], ...]:
    """Where groups can be made, and what can be bounded there: tried once, with an empty group."""
    if os.geteuid() != 0:
        return ()
    found = []
    for parent in _own_groups():
        trial = parent / f"{_NAME}{os.getpid()}"
        with contextlib.suppress(OSError):
            trial.mkdir()
            controls = tuple(name for name in (_PROCESSES, *_MEMORY) if os.access(trial / name, os.W_OK))
            trial.rmdir()
            if controls:
                found.append((parent, controls))
    return tuple(found)


def _own_groups() -> list[Path]:
    """The groups this process is in, as folders."""
    folders = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "pids", "memory"):
                folders.append(_ROOT / controllers / path.lstrip("/"))
    return [folder for folder in folders if (folder / "cgroup.procs").exists()]


def _sweep(parent: Path) -> None:
    for group in parent.glob(f"{_NAME}*"):
        pid = group.name.removeprefix(_NAME)
        if not Path("/proc", pid).exists():
            # The kernel keeps a group that is still in use.
            with contextlib.suppress(OSError):
                group.rmdir()
