"""Ages as people write them: 90m, 36h, 7d, 2w."""

from __future__ import annotations

from datetime import timedelta

from harness.errors import UsageError

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_age(text: str) -> timedelta:
    """An age such as `36h`, `7d` or `2w`.

    Raises:
        UsageError: it is none.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdigit():
        raise UsageError(f"--older-than: {text!r} is no age.", remedy="Write it as 90m, 36h, 7d or 2w.")
    return timedelta(**{_UNITS[unit]: int(number)})
