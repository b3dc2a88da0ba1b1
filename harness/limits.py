"""The agent's limits, as the task gives them and as `--limit NAME=VALUE` overrides them for one run."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from harness.errors import UsageError
from harness.task import Limits, LoadedTask


def with_limits(loaded: LoadedTask, overrides: Sequence[str]) -> LoadedTask:
    """The task with other limits.

    Args:
        loaded: the task.
        overrides: `steps=40`, `usd=none` and the like.

    Raises:
        UsageError: one of them names no limit, or gives it no sensible value.
    """
    if not overrides:
        return loaded
    values: dict[str, object] = loaded.task.limits.model_dump()
    for override in overrides:
        name, equals, text = override.partition("=")
        if name not in values or not equals:
            raise UsageError(
                f"--limit {override}: there is no such limit.",
                remedy=f"Write --limit NAME=VALUE, with one of {', '.join(values)}.",
            )
        values[name] = _value(name, text)
        try:
            Limits.model_validate(values)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
            raise UsageError(f"--limit {override}: {problem[0].lower()}{problem[1:]}.") from error
    task = loaded.task.model_copy(update={"limits": Limits.model_validate(values)})
    return loaded.model_copy(update={"task": task})


def _value(name: str, text: str) -> object:
    if name == "usd" and text.lower() == "none":
        return None
    number = text.replace("_", "")
    try:
        return float(number) if name in ("usd", "seconds") else int(number)
    except ValueError:
        return text
