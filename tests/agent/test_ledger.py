from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_parts import update

from agent.ledger import Ledger
from agent.messages import ModelTurn, ToolCall, ToolResult

LEFT = "\n[left: 19 steps, 50 s, 1,000 tokens]"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    for name in ("core.py", "pkg/deep.py", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    return Ledger(tmp_path)


def _step(ledger: Ledger, name: str, output: str, *, text: str = "", fails: bool = False, **arguments: object) -> None:
    call = ToolCall(id="c", name=name, arguments=json.dumps(arguments))
    ledger.add(ModelTurn(text=text, tool_calls=[call]))
    ledger.add(ToolResult(call_id="c", name=name, output=output + LEFT, is_error=fails))


def test_it_holds_plan_tries_tests_and_files(ledger: Ledger) -> None:
    _step(ledger, "update_plan", "ok", steps=[{"step": "old plan"}])
    _step(ledger, "shell", "...", command="cat core.py; sed -n 1,9p ./pkg/deep.py /etc/hosts.conf ../up.py")
    _step(ledger, "shell", "no such file", fails=True, command="cat notes.txt")
    _step(ledger, "measure", "w  base 1.0 us  1.00x [0.99, 1.01]\nGeometric mean: 1.00x [0.99, 1.01] from 6 sessions.")
    _step(ledger, "apply_patch", "Done.", text="Sort once.\nThen more.", patch=update("core.py", "-a", "+b"))
    _step(ledger, "run_tests", "2 tests passed, 0 failed.\nThe outputs on the shown workloads are right.")
    _step(ledger, "measure", "Geometric mean: 1.31x [1.30, 1.32] from 6 sessions.")
    _step(ledger, "apply_patch", "does not fit", fails=True, patch=update("core.py", "-q", "+r"))
    _step(ledger, "measure", "NOT MEASURED: w: element 3: expected 1, found 2")
    _step(ledger, "apply_patch", "Done.", text="Unroll it.", patch=update("pkg/deep.py", "-b", "+c"))
    _step(ledger, "update_plan", "ok", steps=[{"step": "vectorise", "status": "in_progress"}])
    assert ledger.text(10_000).splitlines() == [
        "Best measured so far: 1.31x [1.30, 1.32] (try 2)",
        "Tests, last run: 2 tests passed, 0 failed.",
        "The outputs on the shown workloads are right.",
        "Plan:",
        "- [in_progress] vectorise",
        "Files read: core.py, pkg/deep.py",
        "Tries, each with what was edited before it:",
        "1. no edit by apply_patch since the last try -> 1.00x [0.99, 1.01]",
        "2. core.py (Sort once.) -> 1.31x [1.30, 1.32]",
        "3. failed edit of core.py -> NOT MEASURED: w: element 3: expected 1, found 2",
        "Edited since, not measured: pkg/deep.py (Unroll it.)",
    ]


def test_it_never_gets_longer_than_it_may_and_keeps_the_best(ledger: Ledger) -> None:
    for number in range(300):
        _step(ledger, "apply_patch", "Done.", text=f"Idea {number}", patch=update("core.py", "-a", "+b"))
        _step(ledger, "measure", f"{9.5 if number == 7 else 1 + number / 1000:.3f}x [1.00, 9.90]")
        assert len(ledger.text(2_000)) <= 2_000
    text = ledger.text(2_000)
    assert text.startswith("Best measured so far: 9.500x [1.00, 9.90] (try 8)")
    assert "Idea 7)" in text
    assert "Idea 299)" in text
    assert "older tries left out" in text


def test_nothing_learnt_is_nothing_said(ledger: Ledger) -> None:
    assert ledger.text(1_000) == ""
    ledger.add(ToolResult(call_id="unknown", name="measure", output="1.00x [1.00, 1.00]"))
    assert ledger.text(1_000) == ""
