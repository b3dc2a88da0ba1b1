"""What the model sees of the history. The record stays whole; the view is kept below a limit, in two stages.

Old tool output is dropped first. Where that is not enough, whole old turns go and a summary stands in their place.
Either way a ledger made from records (`agent.ledger`) stands right after the prompt. Between two such moments the
view only grows at its end, so that a provider finds its beginning in its cache.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.messages import Message, ModelTurn, ToolResult, UserMessage
from agent.model import ModelError
from agent.prompt import render
from agent.text import shorten
from agent.tokens import CHARS_PER_TOKEN, estimate_tokens, message_tokens

# Room is made in one go: each time changes the beginning of the view, and empties a provider's cache of it.
_ROOM_AFTER = 0.6
_ROOMY = 0.8
# Prompt and tools are always there. With more than this, hardly a step would fit between two summaries.
_MOST_FIXED = 0.4
# The results the model is working with right now are not dropped while dropping others suffices.
_KEEP_RESULTS = 6
# Shorter outputs are not worth a note in their place.
_WORTH_DROPPING_CHARS = 400
# One output may take up so much of the view, as may the summary and the ledger.
_OUTPUT_SHARE = 8
_NOTE_SHARE = 10


class Context:
    """The view, message by message.

    Args:
        limit_tokens: the estimated size the view is kept below; None for a model that takes anything.
        fixed_tokens: what every request holds besides: the descriptions of the tools.
    """

    def __init__(self, limit_tokens: int | None, fixed_tokens: int = 0) -> None:
        self.limit = limit_tokens
        self._fixed = fixed_tokens
        self._prompt: list[Message] = []
        self._summary = ""
        self._note: list[Message] = []
        self._rest: list[Message] = []
        self._size = fixed_tokens

    @property
    def size(self) -> int:
        """The estimated tokens of a request with this view."""
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether the view is over the limit."""
        return self.limit is not None and self._size > self.limit

    @property
    def is_roomy(self) -> bool:
        """Whether there is room for steps to come."""
        return self.limit is None or self._size <= _ROOMY * self.limit

    @property
    def note(self) -> str:
        """What stands in the place of what was left out; empty where nothing was."""
        return "".join(message.text for message in self._note if isinstance(message, UserMessage))

    @property
    def note_chars(self) -> int:
        """How long a summary or a ledger may be."""
        return (self.limit or 0) * CHARS_PER_TOKEN // _NOTE_SHARE

    def add(self, message: Message) -> None:
        """Show one more message. The first is the prompt, which always stays.

        Raises:
            ModelError: the prompt leaves no room to work in.
        """
        if self.limit is not None and isinstance(message, ToolResult):
            output = shorten(message.output, self.limit * CHARS_PER_TOKEN // _OUTPUT_SHARE)
            message = message.model_copy(update={"output": output})
        (self._rest if self._prompt else self._prompt).append(message)
        self._size += message_tokens(message)
        if len(self._rest) == 0:
            self._require_room()

    def view(self) -> list[Message]:
        """The messages to send."""
        return [*self._prompt, *self._note, *self._rest]

    def shrink(self, window: int | None) -> None:
        """Lower the limit, after the model's endpoint refused the view as too long.

        Args:
            window: how many tokens it takes, where it said so.

        Raises:
            ModelError: the prompt leaves no room to work in.
        """
        # The estimate was too low, by how much is not known: below the window and well below what was refused.
        told = self._size if window is None else limit_for(window)
        self.limit = min(told, int(_ROOM_AFTER * self._size))
        self._require_room()

    def drop_outputs(self, ledger: str) -> None:
        """The first stage: replace old tool output by a note, oldest first, until there is room."""
        target = int(_ROOM_AFTER * (self.limit or 0))
        self._set_note(ledger)
        worth = [index for index, message in enumerate(self._rest) if _droppable(message)]
        for index in worth[:-_KEEP_RESULTS]:
            if self._size <= target:
                return
            self._replace(index)

    def to_summarise(self, request: UserMessage) -> list[Message]:
        """The view with a request for a summary at its end; the newest steps are left out where it gets too long."""
        groups = _groups(self._rest)
        head = [*self._prompt, *self._note]
        size = self._fixed + estimate_tokens([*head, request, *self._rest])
        while groups and self.limit is not None and size > self.limit:
            size -= estimate_tokens(groups.pop())
        return [*head, *(message for group in groups for message in group), request]

    def drop_turns(self, summary: str, ledger: str) -> None:
        """The second stage: leave out whole old turns; a summary of them stands in their place.

        Args:
            summary: of everything so far; empty where there is none, and the one before stays.
            ledger: what was learnt, from records.
        """
        self._summary = shorten(summary, self.note_chars) or self._summary
        groups = _groups(self._rest)
        self._rest = []
        self._set_note(ledger)
        room = int(_ROOM_AFTER * (self.limit or 0)) - self._size
        kept: list[Message] = []
        for group in reversed(groups):
            if estimate_tokens(group) > room:
                break
            kept = [*group, *kept]
            room -= estimate_tokens(group)
        self._rest = kept or _shortened(groups[-1:], room)
        self._size += estimate_tokens(self._rest)

    def _set_note(self, ledger: str) -> None:
        text = render("compacted.md.j2", summary=self._summary, ledger=shorten(ledger, self.note_chars))
        self._note = [UserMessage(text=text)]
        self._size = self._fixed + estimate_tokens(self.view())

    def _replace(self, index: int) -> None:
        result = self._rest[index]
        if isinstance(result, ToolResult):
            note = f"[output of {len(result.output)} characters dropped; run the tool again if it is needed]"
            shorter = result.model_copy(update={"output": note})
            self._rest[index] = shorter
            self._size += message_tokens(shorter) - message_tokens(result)

    def _require_room(self) -> None:
        always = self._fixed + estimate_tokens(self._prompt)
        if self.limit is not None and always > _MOST_FIXED * self.limit:
            raise ModelError(
                f"The prompt and the tools take about {always:,} tokens, and of the model's context {self.limit:,} can "
                "be used: too little to work in. Take a model, or a setting of its server, with a longer context "
                "(and say how long with --context).",
                retryable=False,
            )


def limit_for(window: int) -> int:
    """How much of a model's context is used: the rest is for its answer, and for estimates that are too low."""
    return int(0.8 * window)


def _droppable(message: Message) -> bool:
    return isinstance(message, ToolResult) and len(message.output) > _WORTH_DROPPING_CHARS


def _groups(messages: Sequence[Message]) -> list[list[Message]]:
    """Messages that belong together: a result may not stand without the turn that asked for it."""
    groups: list[list[Message]] = []
    for message in messages:
        if isinstance(message, ToolResult) and groups:
            groups[-1].append(message)
        else:
            groups.append([message])
    return groups


def _shortened(groups: list[list[Message]], room: int) -> list[Message]:
    """The last step with its outputs cut to fit; nothing where even that is too long."""
    group = groups[0] if groups else []
    results = [message for message in group if isinstance(message, ToolResult)]
    left = room - estimate_tokens([message for message in group if isinstance(message, (ModelTurn, UserMessage))])
    if not results or left <= 0:
        return []
    chars = left * CHARS_PER_TOKEN // (2 * len(results))
    cut = [
        message.model_copy(update={"output": shorten(message.output, chars)})
        if isinstance(message, ToolResult)
        else message
        for message in group
    ]
    return cut if estimate_tokens(cut) <= room else []
