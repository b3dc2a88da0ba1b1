"""What an attempt was told, as a person is shown it beside the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.brief import Brief, read_brief
from harness.errors import HarnessError
from harness.events import AttemptBriefed
from harness.store import AttemptFolder
from harness.text import safe

if TYPE_CHECKING:
    from rich.text import Text


def brief_parts(folder: AttemptFolder) -> list[Text]:
    """A line on where the attempt began, and one for each hint; none where nobody told it anything.

    One that cannot be read is told of: it must not hide the verdict that it stands beside.
    """
    try:
        brief = read_brief(folder)
    except HarnessError as error:
        return [safe(f"brief    {str(error).splitlines()[0]}")]
    if brief is None:
        return []
    began = began_text(brief)
    lines = [safe(f"brief    {brief.strategy}: {began}")] if began else []
    return lines + [safe(f"hint     {hint}", multiline=True) for hint in brief.hints]


def brief_json(folder: AttemptFolder) -> dict[str, Any] | None:
    """The same for programs; what the prompt says of it is in the prompt."""
    try:
        brief = read_brief(folder)
    except HarnessError as error:
        return {"problem": str(error)}
    return None if brief is None else brief.model_dump(exclude={"shown"})


def began_text(told: Brief | AttemptBriefed) -> str:
    """What an attempt goes on from; empty for one that begins from nothing."""
    parts = [f"{told.kind} of {', '.join(told.parents)}"] if told.parents else []
    parts += [f"begins with the patch of {told.start_from}"] if told.start_from else []
    parts += [f"island {told.island}"] if told.island is not None and parts else []
    return ", ".join(parts)
