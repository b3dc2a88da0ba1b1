"""The journal: one append-only file a run, one event a line. `harness.run_state` folds it into what the run is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from harness.errors import HarnessError, StorageError
from harness.events import Event, EventAdapter, TimingProgress
from harness.file_lock import is_locked
from harness.garbage import no_search_for_cycles
from harness.strict_json import strict_json

LOCK_PATIENCE_SECONDS = 0.5


def encode_event(event: Event) -> str:
    """One line of strict JSON, without its newline, that `EventAdapter.validate_json` reads back."""
    return strict_json(event.model_dump())


class Journal:
    """Appends events to a run's journal; every one is on the disk before `append` returns.

    Opening takes the journal's lock, so that two processes never write one run, and cuts off a line that a
    crash left half-written.

    Raises:
        StorageError: the file cannot be opened, or the disk is full.
        HarnessError: another process is writing this run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise _cannot("open", path, error) from error
        try:
            self._lock()
            self._mend_tail()
            if os.fstat(self._descriptor).st_size == 0:
                _keep_name(path)
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, event: Event) -> None:
        """Write one event and wait for the disk. Timing progress is the display's business and is not kept.

        Raises:
            StorageError: the disk is full or gone; what was half-written is taken back first.
        """
        if isinstance(event, TimingProgress):
            return
        line = (encode_event(event) + "\n").encode()
        now = os.fstat(self._descriptor)
        if now.st_nlink == 0 or not self.path.exists():  # moved, it would be parted from what attempts leave
            raise StorageError(
                f"The journal {self.path} was removed or moved while the run lasted: nothing more could be kept there.",
                remedy="Leave a run's folder where it is until it has ended. Where it was moved, `harness resume` its "
                "new place; where it was removed, start a new run.",
            )
        whole = now.st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            # Otherwise a later event would be glued to this half line and both would be lost.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, whole)
            raise _cannot("write", self.path, error) from error

    def close(self) -> None:
        """Give the file and its lock back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self) -> None:
        # `is_being_written` holds a shared lock for an instant, so one refusal proves nothing.
        give_up = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() > give_up:
                    raise HarnessError(
                        f"{self.path}: another process is writing this run.",
                        remedy="Wait for it to end, or stop it; `harness list` shows which runs are running.",
                    ) from error
                time.sleep(0.02)
            except OSError:
                return  # A file system without locks: better an unguarded journal than none.

    def _mend_tail(self) -> None:
        try:
            size = os.fstat(self._descriptor).st_size
            tail = _tail(self._descriptor, size)
            if not tail and size > 1:
                last = _tail(self._descriptor, size - 1) + b"\n"
                tail = last if is_torn(last) else b""
            if not tail:
                return
            if _parse(tail) is None:
                os.ftruncate(self._descriptor, size - len(tail))
            else:
                os.write(self._descriptor, b"\n")
            os.fsync(self._descriptor)
        except OSError as error:
            raise _cannot("write", self.path, error) from error


def _tail(descriptor: int, size: int) -> bytes:
    """What stands after the last newline; read backwards, a journal may be long."""
    tail = b""
    while size > 0:
        start = max(0, size - 65536)
        block = os.pread(descriptor, size - start, start)
        newline = block.rfind(b"\n")
        if newline >= 0:
            return block[newline + 1 :] + tail
        tail = block + tail
        size = start
    return tail


def _keep_name(path: Path) -> None:
    """Have a new file's name on the disk, and its folder's: to wait for its content alone promises neither."""
    for folder in (path.parent, path.parent.parent):
        with contextlib.suppress(OSError):  # file systems that cannot, and folders that may not be read
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def is_torn(line: bytes) -> bool:
    """Whether a line was never written whole: where a power cut took the middle of the last one, there are zeros.

    No line of JSON has any. Other nonsense is nothing that a crash does, and is told.
    """
    return b"\0" in line


def _parse(line: bytes) -> Event | None:
    try:
        return EventAdapter.validate_json(line)
    except ValidationError:
        return None


def is_being_written(path: Path) -> bool:
    """Whether a live process has this journal open for writing. A killed one's lock dies with it."""
    return is_locked(path)


def read_events(path: Path) -> list[Event]:
    """All events of a journal, oldest first. A torn last line is dropped: its event never happened.

    A prefix of a JSON object is never a JSON object, so a last line that lacks only its newline is complete,
    and counts.

    Raises:
        StorageError: the file cannot be read.
        HarnessError: a line that is not the torn last one is not an event; names file and line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError as error:
        raise no_journal(path) from error
    except OSError as error:
        raise _cannot("read", path, error) from error
    with no_search_for_cycles():
        return _parse_all(path, lines)


def no_journal(path: Path) -> StorageError:
    """There is none: what was named as a run is a folder of another kind, or was removed."""
    return StorageError(
        f"There is no journal {path}.",
        remedy="This needs a run's own folder. Verdicts that are kept without a journal can be ranked, shown, compared "
        "and reported: `harness leaderboard`, `show`, `compare` and `report` take their folder.",
    )


def _parse_all(path: Path, lines: list[bytes]) -> list[Event]:
    events = []
    last = max((number for number, line in enumerate(lines, start=1) if line.strip()), default=0)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        event = _parse(line)
        if event is not None:
            events.append(event)
        elif number < last or (number < len(lines) and not is_torn(line)):
            raise HarnessError(
                f"{path}:{number}: this line is not an event of this version of the harness.",
                remedy="The journal was edited or damaged, or comes from another version; "
                "restore it, or move the run's folder away.",
            )
    return events


def _cannot(verb: str, path: Path, error: OSError) -> StorageError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    remedy = (
        "Free some space; everything written before this is kept."
        if full
        else "Check the folder and its permissions, or choose another with --out."
    )
    return StorageError(f"Cannot {verb} the journal {path}: {error.strerror or error}.", remedy=remedy)
