"""What one try of a call is billed, known piece by piece, so that a try that fails half way is not free."""

from __future__ import annotations

from collections.abc import Sequence

from agent.messages import Message, ToolSpec, Usage
from agent.tokens import CHARS_PER_TOKEN, estimate_tokens, tool_tokens


class Meter:
    """Watches one try: what was sent, what was heard, and what the provider says it bills.

    A provider that reports its count is believed. One that does not (the stream was cut off, the server never
    counts) is billed by an estimate, marked as such in `Usage.estimated`. A try that the provider refused before it
    began to answer costs nothing.
    """

    def __init__(self) -> None:
        self._sent: tuple[Sequence[Message], Sequence[ToolSpec]] | None = None
        self._heard = 0
        self._complete = 0
        self._reported: Usage | None = None

    def begin(self, history: Sequence[Message], tools: Sequence[ToolSpec]) -> None:
        """The provider accepted a request with this content and begins to answer it."""
        self._sent = (history, tools)

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
        history, tools = self._sent
        sent = estimate_tokens(history) + tool_tokens(tools)
        output = max(self._heard, self._complete) // CHARS_PER_TOKEN
        return Usage(input=sent, output=output, estimated=sent + output)
