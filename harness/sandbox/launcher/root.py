"""A root folder of the command's own: what it may see is bound into an empty one, and the rest is not there."""

from __future__ import annotations

import itertools
import os

from .kernel import (
    ATTR_NODEV,
    ATTR_NOSUID,
    ATTR_RDONLY,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    let_go_of,
    mount,
    pivot_into,
    restrict_mount,
)
from .limits import write
from .spec import MACHINE, Limits, View

_STAGE = "/tmp"  # noqa: S108 - only a place to mount on, in a mount namespace of our own
_OLD, _NEW = "/old", "/new"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def enter(view: View, limits: Limits) -> None:
    """Make the root and go there. Needs mount and process namespaces of our own.

    Raises:
        OSError: the kernel does not allow it.
    """
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    # First to a place from where both are in sight, the old root and the new: what is to be seen may lie below
    # any folder that could be mounted on.
    mount("tmpfs", _STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k")
    for name in (_OLD, _NEW):
        os.mkdir(_STAGE + name)
    pivot_into(_STAGE, old=_STAGE + _OLD)
    size = f"size={limits.scratch_bytes}"
    mount("tmpfs", _NEW, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m")
    for name in ("tmp", "var/tmp", "proc", "dev"):
        os.makedirs(f"{_NEW}/{name}")
    for name in ("tmp", "var/tmp"):
        mount("tmpfs", f"{_NEW}/{name}", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777,{size}")
    for path, kind in view.steps():
        if kind == "hide":
            _hide(path)
        else:
            _bind(path, ATTR_NOSUID | (ATTR_NODEV if kind == "write" else ATTR_RDONLY))
    for path, target in view.links:
        os.makedirs(os.path.dirname(_NEW + path), exist_ok=True)
        os.symlink(target, _NEW + path)
    _devices(view.devices, size)
    _processes(limits)
    let_go_of(_OLD)
    pivot_into(_NEW, old=None)
    mount("none", "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _bind(path: str, attributes: int) -> None:
    source, target = _OLD + path, _NEW + path
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _empty(target)
    # Recursive: in a user namespace a mount may not be torn from those below it.
    mount(source, target, None, MS_BIND | MS_REC)
    restrict_mount(target, attributes)


def _hide(path: str) -> None:
    target = _NEW + path
    if os.path.isdir(target):
        # One may pass through, to what is shown below it, and see nothing on the way.
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0111,size=16k")
        return
    nothing = f"{_NEW}/.nothing"
    if not os.path.lexists(nothing):
        _empty(nothing)
    mount(nothing, target, None, MS_BIND)
    restrict_mount(target, ATTR_RDONLY)


def _empty(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0))


def _devices(extra: list[str], size: str) -> None:
    dev = f"{_NEW}/dev"
    mount("tmpfs", dev, "tmpfs", MS_NOSUID, "mode=0755,size=64k")
    for path in [*(f"/dev/{name}" for name in _DEVICES), *extra]:
        if os.path.exists(_OLD + path):
            _bind(path, ATTR_NOSUID)
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        os.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")
    os.symlink("/proc/self/fd", f"{dev}/fd")
    os.mkdir(f"{dev}/shm")
    mount("tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777,{size}")
    os.mkdir(f"{dev}/pts")
    mount("devpts", f"{dev}/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    os.symlink("pts/ptmx", f"{dev}/ptmx")


def _processes(limits: Limits) -> None:
    """A /proc that shows this process namespace, and through which nothing of the machine can be set."""
    proc = f"{_NEW}/proc"
    mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # From Linux 6.14 on a number of this namespace's own, which bounds root too; before, it is the machine's.
    major, _, rest = os.uname().release.partition(".")
    minor = "".join(itertools.takewhile(str.isdigit, rest))
    if (int(major), int(minor or 0)) >= (6, 14):
        write(f"{proc}/sys/kernel/pid_max", str(max(limits.processes, 301)))
    for name in MACHINE:
        path = f"{proc}/{name}"
        if os.path.exists(path):
            mount(path, path, None, MS_BIND | MS_REC)
            restrict_mount(path, ATTR_RDONLY)
