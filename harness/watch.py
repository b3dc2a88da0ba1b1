"""Following a run that another process makes: its journal, as it grows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from harness.errors import HarnessError, StorageError
from harness.events import Event, EventAdapter, RunFinished
from harness.journal import is_being_written, is_torn, no_journal

POLL_SECONDS = 0.5


@dataclass
class Tail:
    """Reads a journal from where it was read last. A line that is still being written waits for its end."""

    path: Path
    offset: int = 0
    lines: int = 0
    finished: bool = field(default=False, init=False)

    def read(self) -> list[Event]:
        """The events that came since the last time.

        Raises:
            StorageError: the journal cannot be read.
            HarnessError: a line of it is no event.
        """
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self.offset:
                    self.offset = self.lines = 0  # cut off or replaced: from the start, then
                file.seek(self.offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError as error:
            raise no_journal(self.path) from error
        except OSError as error:
            raise StorageError(f"Cannot read the journal {self.path}: {error.strerror}.") from error
        if not newline:
            return []
        self.offset += len(whole) + 1
        events = []
        lines = whole.split(b"\n")
        for number, line in enumerate(lines, start=1):
            self.lines += 1
            if line.strip() and not (number == len(lines) and is_torn(line)):
                events.append(self._parsed(line))
        if events:
            self.finished = isinstance(events[-1], RunFinished)
        return events

    def _parsed(self, line: bytes) -> Event:
        try:
            return EventAdapter.validate_json(line)
        except ValidationError as error:
            raise HarnessError(
                f"{self.path}:{self.lines}: this line is not an event of this version of the harness.",
                remedy="The run may be another version's; watch it with that one.",
            ) from error


def follow(path: Path, poll_seconds: float = POLL_SECONDS) -> Iterator[Event]:
    """Every event of a run, those that were and those to come, until it is over or its process is gone.

    Raises:
        HarnessError: the journal cannot be read.
    """
    tail = Tail(path)
    while True:
        # In this order: what a process wrote before it ended is read after it has ended.
        alive = is_being_written(path)
        yield from tail.read()
        if tail.finished or not alive:
            return
        time.sleep(poll_seconds)
