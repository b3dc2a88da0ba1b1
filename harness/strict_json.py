"""JSON that every reader takes and that reads back as what it was; records and `--json` are written with it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

# What JSON lets stand as it is, and a terminal acts upon: U+009B is the start of a command to many, and others reorder
# or break the line. Such a character can stand in a string only, so that its number can take its place.
_ACTING = re.compile("[\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]")


def strict_json(content: Any, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON value
    """JSON that every reader takes and that reads back as what it was.

    Pydantic's own turns infinities into null, which does not read back as a number, and refuses lone
    surrogates, which an agent's output may hold; neither may cost a run its record. Infinities become the
    strings that pydantic reads as such, surrogates question marks. Nothing in it acts upon a terminal.
    """
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent)
        text.encode()
    except ValueError:
        text = json.dumps(_storable(content), ensure_ascii=False, allow_nan=False, indent=indent)
    return _ACTING.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _storable(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
