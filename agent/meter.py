"""What one try of a call is billed, known piece by piece, so that a try that fails half way is not free."""

from __future__ import annotations

from agent.messages import Usage
from agent.tokens import CHARS_PER_TOKEN


class Meter:
    """Watches one try: what was sent, what was heard, and what the provider says it bills.

    A provider that reports its count is believed. One that does not (the stream was cut off, the server never
    counts) is billed by an estimate, marked as such in `Usage.estimated`. A try that the provider refused before it
    began to answer costs nothing.
    """

    def __init__(self) -> None:
        self._sent: int | None = None
        self._heard = 0
        self._complete = 0
        self._reported: Usage | None = None

    def begin(self, input_tokens: int) -> None:
        """The provider accepted the request and begins to answer it."""
        self._sent = input_tokens

    def hear(self, text: str) -> None:
        """A piece of the answer came."""
        self._heard += len(text)

    def hear_whole(self, text: str) -> None:
        """A part of the answer came once more, or for the first time, as a whole."""
        self._complete += len(text)

    def report(self, usage: Usage) -> None:
        """The provider says what it bills; the last word counts."""
        self._reported = usage

    def bill(self) -> Usage:
        """What the try costs, as far as is known by now."""
        if self._reported is not None:
            return self._reported
        if self._sent is None:
            return Usage()
        output = max(self._heard, self._complete) // CHARS_PER_TOKEN
        return Usage(input=self._sent, output=output, estimated=self._sent + output)
