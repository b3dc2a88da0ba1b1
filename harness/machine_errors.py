"""What a machine does to any program, anywhere: its disk is full, or a folder may not be used. No bug of ours."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from harness.errors import StorageError
from harness.whole_file import storage_error

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# With these nothing can be judged any more, whoever asks for what.
_BROKEN = _FULL | {errno.EROFS, errno.EIO, errno.ESTALE, errno.ENFILE, errno.EMFILE}
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG})


def machine_error(error: OSError, *, refusals: bool) -> StorageError | None:
    """The message for an error that nobody foresaw where it came from; None for one that may be a bug.

    Args:
        error: as it was raised.
        refusals: whether a file that may not be used counts, too. Not where a judged process may have made it.
    """
    if error.errno not in (_BROKEN | _REFUSED if refusals else _BROKEN):
        return None
    if isinstance(error.filename, str | bytes):
        verb = "write" if error.errno in _FULL | {errno.EROFS} else "use"
        return storage_error(error, Path(os.fsdecode(error.filename)), verb, "--out or --worktrees")
    remedy = "Free some space: for --out, --worktrees or temporary files (TMPDIR)." if error.errno in _FULL else None
    return StorageError(f"{error.strerror}.", remedy=remedy)
