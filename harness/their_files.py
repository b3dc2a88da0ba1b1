"""Files that somebody else's code may have put there: read without following links, waiting, or filling our memory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_theirs(path: Path, most_bytes: int) -> bytes:
    """Read a plain file in a folder that confined code could write to.

    It runs with less than we may do: a link in the file's place would have us read for it what it must not see, a pipe
    would keep us waiting for ever, and a file may be of any size. The folder itself must be ours: only the path's last
    part is looked at.

    Args:
        path: the file.
        most_bytes: how large it may be.

    Raises:
        OSError: there is none; it is a link, a pipe, a folder or a device; or it is larger.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"more than {most_bytes:,} bytes", str(path))
    return content
