"""A file that is written piece by piece, and is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.store import storage_error


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A place beside `target` to write to; it becomes `target` when the block ends well, and is gone otherwise.

    Raises:
        StorageError: nothing can be written there.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.fchmod(descriptor, 0o644)  # mkstemp's 0600 would hide it from the team
        os.close(descriptor)
    except OSError as error:
        raise storage_error(error, target, "write", "-o") from error
    begun = Path(name)
    try:
        yield begun
        begun.replace(target)
    except OSError as error:
        raise storage_error(error, target, "write", "-o") from error
    finally:
        begun.unlink(missing_ok=True)
