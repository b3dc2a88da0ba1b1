"""Files that are there whole or not at all, and what to say where none can be written."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import StorageError


def storage_error(error: OSError, path: Path, verb: str, option: str = "--out") -> StorageError:
    """The message for a folder or file that cannot be used: names it, says why, and the way out by `option`."""
    remedies = {
        errno.ENOSPC: f"Free some space, or choose a folder on another disk with {option}.",
        errno.ENOTDIR: f"A file stands where a folder is needed; choose another folder with {option}.",
        errno.EEXIST: f"A file stands where a folder is needed; choose another folder with {option}.",
        errno.ENAMETOOLONG: f"Choose a shorter folder with {option}.",
        errno.ENOENT: "The folder is gone; was it removed while the run lasted?",
    }
    remedies[errno.EDQUOT] = remedies[errno.EFBIG] = remedies[errno.ENOSPC]
    if verb == "make the folder" or option != "--out":
        remedies.pop(errno.ENOENT)
    otherwise = "Check its permissions." if verb == "read" else f"Choose a folder that you may write to with {option}."
    remedy = remedies.get(error.errno or 0, otherwise)
    return StorageError(f"Cannot {verb} {path}: {error.strerror or error}.", remedy=remedy)


def make_folder(path: Path, option: str = "--out") -> None:
    """Make a folder and its parents; one that is there already is fine.

    Raises:
        StorageError: it cannot be made; says to choose another with `option`.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path, "make the folder", option) from error


@contextmanager
def whole_file(target: Path, option: str = "--out") -> Iterator[Path]:
    """A place beside `target` to write to; it becomes `target` when the block ends well, and is gone otherwise.

    Raises:
        StorageError: nothing can be written there; says to choose another place with `option`.
    """
    begun: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(descriptor)
        begun = Path(name)
        begun.chmod(0o644)  # mkstemp's 0600 would hide it from the team.
        yield begun
        begun.replace(target)
    except OSError as error:
        if begun is not None and isinstance(error.filename, str) and error.filename != str(begun):
            raise storage_error(error, Path(error.filename), "read") from error  # what was to go into it
        raise storage_error(error, target, "write", option) from error
    finally:
        if begun is not None:
            with contextlib.suppress(OSError):
                begun.unlink(missing_ok=True)


def write_atomic(path: Path, content: str | bytes, option: str = "--out") -> None:
    """Write a file so that a reader, or a crash, sees all of it or none of it.

    Text is written as UTF-8; what UTF-8 cannot hold (lone surrogates) becomes question marks.

    Raises:
        StorageError: it cannot be written; no half-written file is left. Says to choose another place with `option`.
    """
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    with whole_file(path, option) as begun, begun.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
