from __future__ import annotations

import json

from records import verdict

from agent.messages import ToolCall, ToolResult
from agent.trajectory import ToolEnded, ToolStarted, TrajectoryEvent
from harness.session_differences import differences, mean_of
from harness.verdict import PatchStats

MEASURED = "Advisory timing\n  small  base 1 us now 1 us\nGeometric mean: {} from 8 sessions.\n[left: 3 steps]"


def _call(name: str, output: str, *, failed: bool = False, **arguments: object) -> list[TrajectoryEvent]:
    call = ToolCall(id="c", name=name, arguments=json.dumps(arguments))
    result = ToolResult(call_id="c", name=name, output=output, is_error=failed)
    return [ToolStarted(step=1, call=call), ToolEnded(step=1, seconds=0, result=result)]


def _told(before: list[TrajectoryEvent], after: list[TrajectoryEvent]) -> list[str]:
    return [str(each) for each in differences(before, after, None, verdict())]


def test_digits_that_always_differ_are_not_told() -> None:
    before = [
        *_call("shell", "[exit code 0, 0.1 s]\nat 12:00:01", command="date"),
        *_call("measure", MEASURED.format("1.25x [1.20, 1.30]")),
        *_call("run_tests", "3 tests passed, 0 failed.\nThe outputs on the shown workloads are right.\n[left: 9]"),
    ]
    after = [
        *_call("shell", "[exit code 0, 7.0 s]\nat 12:34:56", command="date"),
        *_call("measure", MEASURED.format("1.29x [1.28, 1.31]")),
        *_call("run_tests", "3 tests passed, 0 failed.\nThe outputs on the shown workloads are right.\n[left: 2]"),
    ]
    assert _told(before, after) == []


def test_what_matters_is_told() -> None:
    before = [
        *_call("apply_patch", "Done.", patch="*** Begin Patch\n*** Delete File: a.py\n*** End Patch"),
        *_call("shell", "[exit code 0, 0.1 s]", command="python t.py"),
        *_call("measure", MEASURED.format("1.25x [1.20, 1.30]")),
        *_call("run_tests", "3 tests passed, 0 failed.\nThe outputs on the shown workloads are right."),
        *_call("shell", "[exit code 0, 0.1 s]", command="more"),
    ]
    after = [
        *_call(
            "apply_patch",
            "a.py: there is no such file",
            failed=True,
            patch="*** Begin Patch\n*** Delete File: a.py\n*** End Patch",
        ),
        *_call("shell", "[exit code 2, 0.1 s]\nboom", failed=True, command="python t.py"),
        *_call("measure", MEASURED.format("1.01x [0.99, 1.02]")),
        *_call("run_tests", "2 tests passed, 1 failed.\nWRONG OUTPUT: element 3"),
    ]
    assert _told(before, after) == [
        "call 1, apply_patch (a.py): succeeded when it was recorded, failed: a.py: there is no such file now",
        "call 2, shell (python t.py): exit code 0 when it was recorded, exit code 2 now",
        "call 3, measure: 1.25x [1.20, 1.30] when it was recorded, 1.01x [0.99, 1.02] now",
        "call 4, run_tests: 3 tests passed, 0 failed. The outputs on the shown workloads are right. "
        "when it was recorded, 2 tests passed, 1 failed. WRONG OUTPUT: element 3 now",
        "call 5, session (shell more): 5 calls when it was recorded, ended after 4 now",
    ]


def test_a_measurement_that_could_not_be_made_is_told() -> None:
    before, after = _call("measure", MEASURED.format("2.00x [1.90, 2.10]")), _call("measure", "BUILD FAILED: no")
    assert _told(before, after) == ["call 1, measure: 2.00x [1.90, 2.10] when it was recorded, BUILD FAILED: no now"]


def test_another_patch_is_told_and_the_same_is_not() -> None:
    then = verdict()
    assert differences([], [], then, verdict()) == []
    other = PatchStats(path="p", sha256="cd" * 32, files=["f"], insertions=1, deletions=0)
    found = differences([], [], then, verdict(patch=other))
    assert [str(each) for each in found] == [
        "patch: +12 -3 (abababababab) when it was recorded, +1 -0 (cdcdcdcdcdcd) now"
    ]


def test_a_report_without_a_mean_has_none() -> None:
    assert mean_of("NOT MEASURED: x") is None
    found = mean_of(MEASURED.format("1.25x [1.20, 1.30]"))
    assert found is not None and (found.estimate, found.low, found.high) == (1.25, 1.2, 1.3)
