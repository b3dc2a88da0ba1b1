"""What the launcher is told: written by the harness into an argument, read by the launcher.

Plain classes and a format of its own: the modules behind dataclasses, typing and json would double the
launcher's start.
"""

from __future__ import annotations

# What of /proc sets the machine and not a process. Its files are root's, who needs no capability to write to some
# of them: they have to be on a read-only mount wherever root's processes may write to /proc.
MACHINE = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "driver")


class Limits:
    """What a command may use up; None for no limit of ours.

    Attributes:
        processes: processes and threads together.
        memory_bytes: private memory of one process.
        file_bytes: size of one file.
        open_files: descriptors of one process.
        cpu_seconds: CPU time of one process.
        scratch_bytes: what fits into the private /tmp, and into /dev/shm.
    """

    def __init__(
        self,
        *,
        processes: int,
        memory_bytes: int | None,
        file_bytes: int | None,
        open_files: int | None,
        cpu_seconds: int | None,
        scratch_bytes: int,
    ) -> None:
        self.processes = processes
        self.memory_bytes = memory_bytes
        self.file_bytes = file_bytes
        self.open_files = open_files
        self.cpu_seconds = cpu_seconds
        self.scratch_bytes = scratch_bytes


class View:
    """What of the file system there is for a command. Absolute, resolved paths; the deepest that names a path wins.

    Attributes:
        read: folders and files that may be read and run.
        write: folders that may be written to.
        hide: what is to be gone from a folder above it.
        devices: device files to be used.
        links: symbolic links that must be there for the paths above to be found: path, target.
    """

    def __init__(
        self, *, read: list[str], write: list[str], hide: list[str], devices: list[str], links: list[list[str]]
    ) -> None:
        self.read = read
        self.write = write
        self.hide = hide
        self.devices = devices
        self.links = links

    def steps(self) -> list[tuple[str, str]]:
        """Paths with `read`, `write` or `hide`, from the top down, so that the deepest word is the last."""
        kinds = (("read", self.read), ("write", self.write), ("hide", self.hide))
        steps = [(path, kind) for kind, paths in kinds for path in paths]
        return sorted(steps, key=lambda step: (step[0].count("/"), step[0]))


class Spec:
    """One launch.

    Attributes:
        walls: any of
            `namespaces`: give it namespaces of its own;
            `isolated`: it is in namespaces of its own by the time the rules are laid on, whoever made them;
            `landlock`: lay Landlock's rules on;
            `network`: leave it the network;
            `threads`: leave it its processes' files in /proc to write to.
        view: the files.
        limits: the limits.
    """

    def __init__(self, *, walls: list[str], view: View, limits: Limits) -> None:
        self.walls = walls
        self.view = view
        self.limits = limits

    def to_argument(self) -> str:
        """For the launcher's first argument."""
        view = self.view
        links = [end for link in view.links for end in link]
        numbers = ["" if value is None else str(value) for value in vars(self.limits).values()]
        return _pack([self.walls, view.read, view.write, view.hide, view.devices, links, numbers])

    @classmethod
    def from_argument(cls, text: str) -> Spec:
        """The inverse."""
        walls, read, write, hide, devices, ends, numbers = _unpack(text)
        links = [list(link) for link in zip(ends[0::2], ends[1::2], strict=True)]
        names = ("processes", "memory_bytes", "file_bytes", "open_files", "cpu_seconds", "scratch_bytes")
        values = [int(number) if number else None for number in numbers]
        limits = Limits(**dict(zip(names, values, strict=True)))  # type: ignore[arg-type]
        return cls(
            walls=walls, view=View(read=read, write=write, hide=hide, devices=devices, links=links), limits=limits
        )


def _pack(lists: list[list[str]]) -> str:
    """Each list as its length, each string as its length and itself: any string will do."""
    return "".join(f"{len(each)};" + "".join(f"{len(text)}:{text}" for text in each) for each in lists)


def _unpack(packed: str) -> list[list[str]]:
    lists: list[list[str]] = []
    place = 0
    while place < len(packed):
        end = packed.index(";", place)
        count, place = int(packed[place:end]), end + 1
        texts = []
        for _ in range(count):
            end = packed.index(":", place)
            size, place = int(packed[place:end]), end + 1
            texts.append(packed[place : place + size])
            place += size
        lists.append(texts)
    return lists
