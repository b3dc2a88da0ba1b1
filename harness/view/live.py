"""A run as it goes, as server-sent events: a line of text for each thing that happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from harness.event_text import describe
from harness.journal import is_being_written
from harness.report.hidden import revealed
from harness.store import RunFolder
from harness.strict_json import strict_json
from harness.watch import Tail

POLL_SECONDS = 0.5
_BEAT_SECONDS = 15.0


def message(kind: str, data: object, number: int | None = None) -> bytes:
    """One server-sent event. The data are JSON, which has no line breaks of its own."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: {strict_json(data)}\n\n".encode()


async def stream(folder: RunFolder, after: int, poll_seconds: float = POLL_SECONDS) -> AsyncIterator[bytes]:
    """What happens in a run from its `after`-th event on, until it is over.

    Args:
        folder: the run.
        after: events that the page has shown already.
        poll_seconds: how often to look.
    """
    tail, number, quiet = Tail(folder.journal), 0, 0.0
    while True:
        alive = await asyncio.to_thread(is_being_written, folder.journal)
        events = await asyncio.to_thread(tail.read)
        lines = []
        for event in events:
            number += 1
            if number > after and (line := describe(event)):
                lines.append(revealed(line))
        if lines:
            yield message("news", {"lines": lines[-200:]}, number)
            quiet = 0.0
        if tail.finished or not alive:
            yield message("over", {"finished": tail.finished}, number)
            return
        await asyncio.sleep(poll_seconds)
        quiet += poll_seconds
        if quiet >= _BEAT_SECONDS:  # a proxy or a laptop's lid must not be taken for silence
            yield b": still here\n\n"
            quiet = 0.0
