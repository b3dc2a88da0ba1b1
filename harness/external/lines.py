"""Cutting what a program prints into lines."""

from __future__ import annotations

from collections.abc import Callable


class Lines:
    """Cuts a stream into lines; one that is longer than any event may be is dropped, and said to be."""

    LONGEST_BYTES = 16 << 20

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._rest = bytearray()
        self._too_long = False

    def add(self, data: bytes) -> None:
        """Take more of the stream."""
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._rest += piece
            self._give()
        self._rest += rest
        if len(self._rest) > self.LONGEST_BYTES:
            self._rest.clear()
            self._too_long = True

    def close(self) -> None:
        """The last line may lack its newline."""
        if self._rest:
            self._give()

    def _give(self) -> None:
        if not self._too_long:
            self._on_line(bytes(self._rest))
        self._rest.clear()
        self._too_long = False
