"""The body of a request, put together from pieces that are encoded once.

A history only grows at its end, and every request sends all of it. Encoding it anew each time, with the SDK's walk
over every item, costs far more than all the rest of a step (figures: docs/models.md); pieces that are kept make it a
join. It also makes sure that what went before is sent again byte for byte, which is what a provider's cache looks at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from agent.messages import Message

Json = dict[str, Any]


class BodyEncoder:
    """Encodes histories of one conversation.

    Args:
        name: of the field that holds the history.
        items: what a message is on the wire: one object or several.
    """

    def __init__(self, name: str, items: Callable[[Message], Iterable[Json]]) -> None:
        self._name = name
        self._items = items
        # By identity: messages never change, and comparing long ones would cost what this is here to save.
        self._pieces: dict[int, tuple[Message, bytes]] = {}

    def encode(self, history: Sequence[Message], fields: Mapping[str, Any]) -> bytes:
        """The body: the other fields first, then the history.

        Args:
            history: the messages.
            fields: everything else, the same for every request of a conversation.
        """
        found = [self._piece(message) for message in history]
        self._pieces = {id(message): (message, piece) for message, piece in found}
        pieces = b",".join(piece for _, piece in found if piece)
        return b"".join((dumps(fields)[:-1], b",", dumps(self._name), b":[", pieces, b"]}"))

    def _piece(self, message: Message) -> tuple[Message, bytes]:
        known = self._pieces.get(id(message))
        if known is not None and known[0] is message:
            return known
        return message, b",".join(dumps(item) for item in self._items(message))


def dumps(value: object) -> bytes:
    """Compact JSON. A lone surrogate, which UTF-8 cannot carry, becomes a question mark."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
