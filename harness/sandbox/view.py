"""Which files there are for a confined command: a list of what it needs, and nothing that is not on it."""

from __future__ import annotations

import functools
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.sandbox.confinement import Confinement
from harness.sandbox.launcher.spec import View
from harness.sandbox.withheld import kept_out

PACKAGE = Path(__file__).resolve().parent.parent
# The bundled tasks, with their benches and hidden tests, lie beside the package: in a wheel, on the import path.
_BUNDLED_TASKS = PACKAGE.parent / "tasks"

_SYSTEM = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/sys",
    "/nix/store",
    "/gnu/store",
]
# Where /etc/resolv.conf leads on many machines.
_FOR_NETWORK = ("/run/systemd/resolve", "/run/NetworkManager/resolv.conf", "/run/resolvconf", "/mnt/wsl/resolv.conf")
_ELSEWHERE = ("CUDA_HOME", "LD_LIBRARY_PATH")
# Folders with files that only root, or a group, may read: started as root, the command would be their owner.
_KEEPS_SECRETS = ((Path("/etc"), 5), (Path("/opt"), 2))
_MOST_LINKS = 1000
_GPU_GLOBS = ("nvidia*", "nvidia-caps/*", "dri/*", "kfd", "dxg")


def view(confinement: Confinement) -> View:
    """Work out what a confinement's command can see, with every path resolved."""
    wanted = [*system_folders(), *confinement.readable, *(map(Path, _FOR_NETWORK) if confinement.network else ())]
    write = _resolved(confinement.writable)
    # What a step names is meant to be seen, what any command needs must be, were it a folder of runs as well, and what
    # lies in a folder to be written to is the command's own.
    kept = {path for path in _resolved(kept_out()) - _resolved(wanted) if not _below(path, write)}
    hide = (_resolved([*confinement.hidden, _BUNDLED_TASKS]) | set(secrets()) | kept) - write
    read = _resolved(wanted) - write - hide
    shown = read | write
    return View(
        # What lies in a folder that is shown anyway needs no word of its own.
        read=sorted(path for path in read if _nearest(path, shown | hide) not in read),
        write=sorted(write),
        hide=sorted(path for path in hide if _below(path, shown)),
        devices=gpu_devices() if confinement.gpu else [],
        links=[[path, to] for path, to in _links([*wanted, *confinement.writable]) if not _below(path, shown)],
    )


def system_folders() -> list[Path]:
    """What any command needs: the system's programs and libraries, the interpreter, and this package."""
    named = [Path(path) for path in _SYSTEM]
    for variable in _ELSEWHERE:
        named += [Path(entry) for entry in os.environ.get(variable, "").split(":") if entry.startswith("/")]
    return [*named, *interpreter_folders(), PACKAGE]


def interpreter_folders() -> list[Path]:
    """The folders of the running Python: its environment's, the one that was made from, and those on the way."""
    folders = {Path(prefix) for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)}
    executable = Path(sys.executable)
    for _ in range(8):
        folders.add(executable.parent.parent)
        if not executable.is_symlink():
            break
        executable = executable.parent / executable.readlink()
    # "/bin/python" would make it all of the disk.
    return sorted(folder for folder in folders if folder != Path("/"))


@functools.cache
def secrets() -> tuple[str, ...]:
    """What of the system's folders not everybody may read."""
    return tuple(str(path) for top, depth in _KEEPS_SECRETS for path in _closed(top, depth))


def _closed(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        path = Path(entry.path)
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            if mode & 0o005 != 0o005:
                yield path
            elif depth > 1:
                yield from _closed(path, depth - 1)
        elif not mode & 0o004:
            yield path


def gpu_devices() -> list[str]:
    """The device files of the machine's GPUs."""
    found = (path for pattern in _GPU_GLOBS for path in Path("/dev").glob(pattern))
    return sorted({str(path) for path in found if stat.S_ISCHR(path.stat().st_mode)})


def _resolved(paths: Iterable[Path]) -> set[str]:
    return {str(path.resolve()) for path in paths if path.exists()}


def _nearest(path: str, folders: set[str]) -> str | None:
    """The deepest of `folders` that `path` lies in."""
    return next((str(parent) for parent in Path(path).parents if str(parent) in folders), None)


def _below(path: str, folders: set[str]) -> bool:
    return _nearest(path, folders) is not None


def _links(paths: Iterable[Path]) -> list[tuple[str, str]]:
    """The symbolic links that are followed on the way to these paths, and where they lead."""
    found: dict[str, str] = {}
    for path in paths:
        here = Path("/")
        ahead = list(path.absolute().parts[1:])
        while ahead and len(found) < _MOST_LINKS:
            step = here / ahead.pop(0)
            if step.is_symlink():
                target = step.readlink()
                found[str(step)] = str(target)
                here = Path("/") if target.is_absolute() else here
                ahead = [part for part in target.parts if part != "/"] + ahead
            else:
                here = step.parent.parent if step.name == ".." else step
    return sorted(found.items())
