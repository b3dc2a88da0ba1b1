"""Reference figures made up for tests: a small table with one of everything that may stand in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def a_row(label: str = "theirs", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {"label": label, "kind": "published", "source": "a paper", "values": [2.0, 8.0], **changes}


def a_table(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    table: dict[str, Any] = {
        "title": "Two sizes",
        "measured": "GPU time a call",
        "unit": "µs",
        "better": "less",
        "machine": "Example GPU, driver 1",
        "method": "median of 60 replays",
        "command": "python -m benchmarks.example",
        "columns": ["small", "large"],
        "headline": "large",
        "rows": [
            a_row(base=True, machine="another Example GPU"),
            a_row("half known", values=[1.0, None]),
            a_row("ours", kind="measured", values=[1.0, 4.0]),
            a_row("judged", kind="verdict", values=[{"estimate": 1.0, "low": 0.9, "high": 1.1}, 1.0], note="same"),
        ],
    }
    return table | changes


def write_references(file: Path, *tables: dict[str, Any]) -> Path:
    file.write_text(json.dumps({"tables": list(tables) or [a_table()]}))
    return file
