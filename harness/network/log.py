"""What went through, one JSON line for each request, written when it is over."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import StorageError

# A command that asks for ever must not fill the disk: after so many lines it is only counted.
MOST_LINES = 100_000
_LONGEST_TEXT = 300


class RequestLog:
    """Appends; flushed line by line. Used from one thread."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{path}: the log of requests cannot be written: {error.strerror}.") from error
        self._lines = 0

    def write(self, kind: str, **fields: object) -> None:
        """One request. Texts come from what is confined, so they are cut to a sane length.

        Args:
            kind: `model` or `proxy`.
            fields: what is to be known about it; those that are None are left out.
        """
        self._lines += 1
        if self._lines > MOST_LINES:
            return
        line: dict[str, object] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "kind": kind}
        for name, value in fields.items():
            if value is not None:
                line[name] = value[:_LONGEST_TEXT] if isinstance(value, str) else value
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Say how much was left out, and close the file."""
        if self._lines > MOST_LINES:
            left_out, self._lines = self._lines - MOST_LINES, 0
            self.write("log", left_out=left_out)
        self._file.close()
