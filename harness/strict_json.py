"""JSON that every reader takes and that reads back as what it was; records and `--json` are written with it."""

from __future__ import annotations

import json
import math
from typing import Any


def strict_json(content: Any, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON value
    """JSON that every reader takes and that reads back as what it was.

    Pydantic's own turns infinities into null, which does not read back as a number, and refuses lone
    surrogates, which an agent's output may hold; neither may cost a run its record. Infinities become the
    strings that pydantic reads as such, surrogates question marks.
    """
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent)
        text.encode()
    except ValueError:
        text = json.dumps(_storable(content), ensure_ascii=False, allow_nan=False, indent=indent)
    return text


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
