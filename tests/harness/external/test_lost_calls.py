"""What a program's last call of its model says about whose fault its end is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.external.lost_calls import last_answer


@pytest.mark.parametrize(
    ("call", "may_pass"),
    [
        ({"status": 200, "outcome": "answered"}, False),
        ({"status": 429, "outcome": "answered"}, True),
        ({"status": 502, "outcome": "endpoint_unreachable"}, True),
        ({"status": 200, "outcome": "aborted", "seconds": 90.0}, False),
        ({"outcome": "aborted", "seconds": 90.0}, True),
        ({"outcome": "aborted", "seconds": 0.1}, False),
    ],
)
def test_hanging_up_at_once_is_no_failure_of_the_endpoints(
    tmp_path: Path, call: dict[str, object], may_pass: bool
) -> None:
    log = tmp_path / "requests.jsonl"
    log.write_text(json.dumps({"kind": "model", "method": "POST", **call}) + "\n")
    assert last_answer(log)[1] is may_pass
