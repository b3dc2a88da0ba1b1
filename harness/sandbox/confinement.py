"""What a command is confined to, and what a sandbox is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.errors import HarnessError

_GIB = 1 << 30


class SandboxUnavailable(HarnessError):
    """No sandbox of the wanted kind can be made on this machine."""

    exit_code = 4


def _machine_memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class ResourceLimits:
    """What a command may use up; None for no limit.

    Attributes:
        processes: processes and threads together.
        memory_bytes: private memory of one process; half of the machine's unless said otherwise.
        total_memory_bytes: memory of all processes together, where a cgroup can be made.
        file_bytes: size of any one file.
        open_files: descriptors of one process.
        cpu_seconds: CPU time of one process.
        scratch_bytes: what fits into the private /tmp, and again into /dev/shm.
    """

    processes: int = 4096
    memory_bytes: int | None = field(default_factory=lambda: _machine_memory_bytes() // 2)
    total_memory_bytes: int | None = field(default_factory=lambda: _machine_memory_bytes() * 3 // 4)
    file_bytes: int | None = 16 * _GIB
    open_files: int | None = 65_536
    cpu_seconds: int | None = None
    scratch_bytes: int = field(default_factory=lambda: _machine_memory_bytes() // 8)


@dataclass(frozen=True)
class Confinement:
    """What a command may see, touch and use up. All paths may be given in any form; those missing are passed over.

    Attributes:
        writable: folders it may write to; they must exist.
        readable: folders and files it may read, beside the system's own and the interpreter's.
        hidden: what must not be readable even where it lies below something that is. Nothing else needs to be
            hidden: what is not named is not there.
        network: whether it may reach the network. Without, it has at most a loopback of its own.
        gpu: whether the GPUs' devices are there.
        modes: whether it may change files' modes. Without namespaces it could change those of all of the user's files.
        forgets: whether it may have its ended children forgotten (SIGCHLD), and with them the CPU time they used.
        limits: what it may use up.
    """

    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = False
    gpu: bool = False
    modes: bool = True
    forgets: bool = True
    limits: ResourceLimits = field(default_factory=ResourceLimits)


class Sandbox(Protocol):
    """A way to confine commands."""

    @property
    def name(self) -> str:
        """What goes into a verdict."""
        ...

    @property
    def separates_processes(self) -> bool:
        """Whether a command has process numbers of its own; `host_pid` translates them."""
        ...

    def __hash__(self) -> int:
        """Sandboxes are values; what was found out about one is kept."""
        ...

    def wrap(self, confinement: Confinement) -> list[str]:
        """The arguments to put before a command's own.

        Environment, working folder and inherited descriptors reach the command as they are. The command ends when
        the process that was started ends, and that when the thread that started it does.
        """
        ...
