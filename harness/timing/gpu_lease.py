"""One measurement at a time on a GPU: a lock held by the referee, across all harness processes of the machine.

The lock is on a file in the system's temporary folder, named after the GPU's UUID. The kernel lets go of it when
the process that holds it ends, however it ends: there is no stale lease to clear away. What runs on the GPU without
asking (another program, an agent's own tests) is not kept off by it; `gpu.py` looks for that.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import InfrastructureError

_TELL_AFTER_SECONDS = 1.0
_EVERYBODY = 0o1777


def lease_folder() -> Path:
    """Where leases are, for every user of the machine; made if it is not there."""
    folder = Path(tempfile.gettempdir()) / "perf-harness-gpu"
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(PermissionError):  # somebody else made it, like this
        folder.chmod(_EVERYBODY)
    return folder


@contextmanager
def lease(uuid: str, on_wait: Callable[[str], None], folder: Path | None = None) -> Iterator[float]:
    """Hold the GPU `uuid`; gives the seconds that were spent waiting for it.

    Args:
        uuid: the GPU's, as NVML gives it.
        on_wait: told once, in a sentence, when it is not had within a second.
        folder: where the lock file is; the machine's shared one by default.

    Raises:
        InfrastructureError: the lock file cannot be opened.
    """
    path = (folder or lease_folder()) / f"{re.sub(r'[^A-Za-z0-9-]', '_', uuid)}.lock"
    lock = FileLock(path, mode=0o666)
    start = time.monotonic()
    try:
        try:
            lock.acquire(timeout=_TELL_AFTER_SECONDS)
        except Timeout:
            on_wait(f"GPU {uuid} is leased to another measurement ({_holder(path)}): waiting.")
            lock.acquire()
    except OSError as error:
        raise InfrastructureError(
            f"The GPU's lease {path} cannot be taken: {error.strerror}.", remedy="Remove that file if nobody uses it."
        ) from error
    try:
        path.write_text(f"process {os.getpid()}\n", encoding="utf-8")
        yield time.monotonic() - start
    finally:
        lock.release()


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8").strip() or "of an unknown process"
    return "of an unknown process"
