"""What a worker's reply may hold, before anything is calculated with it or put into words."""

from __future__ import annotations

from typing import TypeGuard

_MOST_NS = 1 << 62


def is_time(value: object) -> TypeGuard[int]:
    """Whether it is nanoseconds, if a lie: an integer of any size is no number to calculate with."""
    return type(value) is int and abs(value) < _MOST_NS


def text_of(value: object) -> str:
    """What a worker says; what is no text is not put into words, for an integer may have too many digits for that."""
    return value if isinstance(value, str) else f"a {type(value).__name__}"
