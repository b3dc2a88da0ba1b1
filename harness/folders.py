"""Folders that somebody else's code wrote into: looked through and deleted however deep they are.

Python's own functions call themselves for every level (`os.walk` up to 3.11, `shutil.rmtree` up to 3.12), so that a
thousand folders in one another end whoever deletes them; and deep paths are longer than the kernel takes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

_PATIENCE, _PAUSE_SECONDS = 20, 0.1
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def walk(top: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """What `os.walk` gives from the top down: a folder, its folders, which may be taken from the list, and its files.

    What cannot be read is passed over. Links are among the files, whatever they lead to.
    """
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        folders: list[str] = []
        files: list[str] = []
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
        yield folder, folders, files
        waiting += [folder / name for name in reversed(folders)]


def delete(path: Path) -> None:
    """Delete a folder, what its permissions forbid included. Nothing happens where there is none.

    Every folder inside is moved to the top before it is emptied: no path gets long, and nothing is nested.

    Raises:
        OSError: something in it cannot be deleted.
    """
    for last in (*[False] * _PATIENCE, True):
        try:
            _delete(path)
            return
        except OSError as error:
            # Something of theirs is still being ended, and writes on or deletes with us.
            if last or error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise
            time.sleep(_PAUSE_SECONDS)


def _delete(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
        return
    if not path.exists():
        return
    path.chmod(0o700)
    top = os.open(path, _FOLDER)
    try:
        unique = f".deleted-{secrets.token_hex(8)}-"
        waiting = _empty(top, top, unique, 0)
        moved = len(waiting)
        while waiting:
            name = waiting.pop()
            folder = os.open(name, _FOLDER, dir_fd=top)
            try:
                found = _empty(folder, top, unique, moved)
            finally:
                os.close(folder)
            moved += len(found)
            waiting += found
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    path.rmdir()


def delete_quietly(path: Path) -> None:
    """Delete a folder, or as much of it as can be: for what is in nobody's way."""
    with contextlib.suppress(OSError):
        delete(path)


def _empty(folder: int, top: int, unique: str, number: int) -> list[str]:
    """Delete the files of a folder and move its folders to the top; gives their names there."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in entries]
    moved: list[str] = []
    for name, mode in found:
        if not stat.S_ISDIR(mode):
            os.unlink(name, dir_fd=folder)
            continue
        if mode & 0o700 != 0o700:
            os.chmod(name, 0o700, dir_fd=folder)
        moved.append(f"{unique}{number + len(moved)}")
        os.rename(name, moved[-1], src_dir_fd=folder, dst_dir_fd=top)
    return moved
