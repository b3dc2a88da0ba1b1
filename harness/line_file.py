"""Small files of JSON lines that several processes append to, whichever of them is killed in the middle of a line.

Unlike a run's journal they have no owner that holds them open: who appends takes the lock for as long as that takes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from harness.errors import StorageError
from harness.strict_json import strict_json
from harness.verdict import Record
from harness.whole_file import make_folder, storage_error, write_atomic

LOCK_SECONDS = 10.0

R = TypeVar("R", bound=Record)


def append_record(path: Path, record: Record) -> None:
    """Append one record as a line; it is on the disk when this returns.

    Raises:
        StorageError: the file cannot be written, or another process does not let go of it.
    """
    with _locked(path):
        _append(path, record)


def append_bounded(path: Path, record: R, bounded: Callable[[list[R]], list[R]]) -> None:
    """Append one record, and then write the file anew if `bounded` leaves out some of its records.

    Raises:
        StorageError: as `append_record`; the file is then as it was, or whole with the new record.
    """
    with _locked(path):
        _append(path, record)
        records = read_records(path, type(record))
        kept = bounded(records)
        if len(kept) < len(records):
            write_atomic(path, "".join(_line(each) for each in kept))


def read_records(path: Path, kind: type[R]) -> list[R]:
    """All records, oldest first; none where there is no file.

    A line that a crash left half-written, or that another version wrote, is left out: it must not cost the others.

    Raises:
        StorageError: the file is there and cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(error, path, "read") from error
    records = []
    for line in lines:
        with contextlib.suppress(ValidationError):
            if line.strip():
                records.append(kind.model_validate_json(line))
    return records


def _line(record: Record) -> str:
    return strict_json(record.model_dump(mode="json")) + "\n"


def _append(path: Path, record: Record) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            try:
                _write_all(descriptor, (b"\n" if torn else b"") + _line(record).encode())
                os.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(size)
                raise
    except OSError as error:
        raise storage_error(error, path, "write") from error


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    make_folder(path.parent)
    lock = FileLock(f"{path}.lock", timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout as error:
        raise StorageError(
            f"{path}: another process has held its lock for {LOCK_SECONDS:g} s.", remedy="Try again in a moment."
        ) from error
    except OSError as error:
        raise storage_error(error, path, "lock") from error
    try:
        yield
    finally:
        lock.release()
