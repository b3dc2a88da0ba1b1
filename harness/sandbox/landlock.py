"""Confinement with nothing but the kernel: namespaces where it allows them, Landlock and a system call filter."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.sandbox.confinement import Confinement, ResourceLimits, SandboxUnavailable
from harness.sandbox.groups import group_prefix
from harness.sandbox.launcher.spec import MACHINE, Limits, Spec, View
from harness.sandbox.view import view

_LAUNCHER = Path(__file__).with_name("launcher")


def launcher(spec: Spec) -> list[str]:
    """The launcher's command line, to be followed by the command's own."""
    # -I: nothing of environment or working folder has a say in it. -S: no site-packages are looked for.
    return [sys.executable, "-I", "-S", str(_LAUNCHER), spec.to_argument()]


def to_limits(limits: ResourceLimits) -> Limits:
    """The limits as the launcher takes them: those of single processes."""
    return Limits(
        processes=limits.processes,
        memory_bytes=limits.memory_bytes,
        file_bytes=limits.file_bytes,
        open_files=limits.open_files,
        cpu_seconds=limits.cpu_seconds,
        scratch_bytes=limits.scratch_bytes,
    )


def shared_walls(confinement: Confinement) -> list[str]:
    """The walls, or openings, that every kind of sandbox has the launcher make."""
    openings = {
        "network": confinement.network,
        "threads": confinement.gpu,
        "kept modes": not confinement.modes,
        "kept accounts": not confinement.forgets,
    }
    return [name for name, wanted in openings.items() if wanted]


@dataclass(frozen=True)
class KernelSandbox:
    """Our own launcher.

    Attributes:
        namespaces: whether this machine lets us make them.
        landlock: whether this machine has it. At least one of both must be there.
    """

    namespaces: bool
    landlock: bool

    @property
    def name(self) -> str:
        """`landlock` where both walls stand; else it says which one is alone."""
        if not self.namespaces:
            return "landlock-only"
        return "landlock" if self.landlock else "namespaces"

    @property
    def separates_processes(self) -> bool:
        """Whether there is a process namespace."""
        return self.namespaces

    def wrap(self, confinement: Confinement) -> list[str]:
        """See `Sandbox`.

        Raises:
            UsageError: something hidden lies in a writable folder, and without namespaces that cannot be held.
            SandboxUnavailable: a GPU is wanted by root without namespaces, and the machine's settings lie open.
        """
        files = view(confinement)
        if not self.namespaces:
            _require_separable(files)
            _require_closed_proc(confinement)
        walls = ["namespaces", "isolated"] if self.namespaces else []
        walls += ["landlock"] if self.landlock else []
        walls += shared_walls(confinement)
        spec = Spec(walls=walls, view=files, limits=to_limits(confinement.limits))
        return [*group_prefix(confinement.limits), *launcher(spec)]


def _require_separable(files: View) -> None:
    for hidden in files.hide:
        for folder in files.write:
            if Path(folder) in Path(hidden).parents:
                raise UsageError(
                    f"{hidden} is to be hidden and lies in {folder}, which is writable.",
                    remedy="Without namespaces that cannot be held; install bubblewrap, or keep them apart.",
                )


def _require_closed_proc(confinement: Confinement) -> None:
    if not confinement.gpu or os.geteuid() != 0:
        return
    for name in MACHINE:
        path = Path("/proc", name)
        if path.exists() and not os.statvfs(path).f_flag & os.ST_RDONLY:
            raise SandboxUnavailable(
                f"CUDA must write to /proc, and without namespaces root could then set the machine through {path}.",
                remedy="Start the harness as an ordinary user, or install bubblewrap where it may make namespaces.",
            )
