"""Why an agent's model failed it, as the gateway saw it."""

from __future__ import annotations

import json
from pathlib import Path

# What a program waits, at the least, for a reply to begin before it gives an endpoint up.
_PATIENCE_SECONDS = 60.0


def last_answer(log: Path) -> tuple[str, bool]:
    """What became of the last call of the model, in a few words, and whether the same call may succeed later.

    Programs word their failures as they like; the gateway's log knows what happened. A call that the program itself
    gave up at once says nothing of the endpoint: else a request and a hang-up would undo any attempt.
    """
    if not log.exists():
        return "", False
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    calls = [line for line in lines if line["kind"] == "model" and line["method"] == "POST"]
    if not calls:
        return "", False
    status, outcome = calls[-1].get("status"), calls[-1]["outcome"]
    if outcome == "aborted" and status is None:
        return f"the call of its model: {outcome}", calls[-1]["seconds"] >= _PATIENCE_SECONDS
    if outcome == "answered":
        return f"its endpoint answered {status}", status == 429 or status >= 500
    return f"the call of its model: {outcome}", status is None or status >= 500
