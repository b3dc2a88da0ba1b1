"""Confinement by bubblewrap; inside it our launcher adds limits, a system call filter and Landlock."""

from __future__ import annotations

import os
from dataclasses import dataclass

from harness.sandbox.confinement import Confinement
from harness.sandbox.groups import group_prefix
from harness.sandbox.landlock import launcher, shared_walls, to_limits
from harness.sandbox.launcher.spec import MACHINE, Spec, View
from harness.sandbox.view import view

_OPERATIONS = {"read": "--ro-bind", "write": "--bind"}


@dataclass(frozen=True)
class BubblewrapSandbox:
    """https://github.com/containers/bubblewrap, 0.8 or later.

    Attributes:
        program: path of `bwrap`.
        landlock: whether the kernel has Landlock, as a second wall.
    """

    program: str
    landlock: bool

    @property
    def name(self) -> str:
        """The sandbox's name."""
        return "bubblewrap"

    @property
    def separates_processes(self) -> bool:
        """It makes a process namespace."""
        return True

    def wrap(self, confinement: Confinement) -> list[str]:
        """See `Sandbox`."""
        files = view(confinement)
        limits = to_limits(confinement.limits)
        walls = ["isolated", *(["landlock"] if self.landlock else []), *shared_walls(confinement)]
        return [
            *group_prefix(confinement.limits),
            self.program,
            *_arguments(files, limits.scratch_bytes, network=confinement.network),
            "--",
            *launcher(Spec(walls=walls, view=files, limits=limits)),
        ]


def _arguments(files: View, scratch_bytes: int, *, network: bool) -> list[str]:
    arguments = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if network:
        arguments.append("--share-net")
    tmpfs = ["--perms", "1777", "--size", str(scratch_bytes), "--tmpfs"]
    arguments += [*tmpfs, "/tmp", *tmpfs, "/var/tmp"]  # noqa: S108 - private ones
    for path, kind in files.steps():
        if kind != "hide":
            arguments += [_OPERATIONS[kind], path, path]
        elif os.path.isdir(path):  # noqa: PTH112 - it is a string, as all in a View
            arguments += ["--perms", "0111", "--size", "16384", "--tmpfs", path]
        else:
            # A device node in a place without devices: it cannot even be opened.
            arguments += ["--ro-bind", "/dev/null", path]
    for path, target in files.links:
        arguments += ["--symlink", target, path]
    arguments += ["--proc", "/proc", "--dev", "/dev", *tmpfs, "/dev/shm"]  # noqa: S108
    # It covers some of these itself, those that are known to have done harm.
    arguments += [word for name in MACHINE for word in ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")]
    for device in files.devices:
        arguments += ["--dev-bind", device, device]
    return [*arguments, "--remount-ro", "/"]
