from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from agent_parts import FolderBench, update

from agent.messages import ToolCall, ToolResult
from agent.toolbox import MAX_OUTPUT_CHARS, Toolbox
from agent.tools import describe, plan_of, tool_specs


def _call(name: str, arguments: object) -> ToolCall:
    return ToolCall(id="c1", name=name, arguments=arguments if isinstance(arguments, str) else json.dumps(arguments))


@pytest.fixture
def toolbox(bench: FolderBench) -> Toolbox:
    return Toolbox(bench)


@pytest.fixture
def run(toolbox: Toolbox) -> Callable[[str, object], ToolResult]:
    return lambda name, arguments: toolbox.run(_call(name, arguments))


Run = Callable[[str, object], ToolResult]


def test_every_tool_has_a_schema_a_provider_takes() -> None:
    specs = tool_specs()
    assert [spec.name for spec in specs] == [
        "shell",
        "apply_patch",
        "update_plan",
        "measure",
        "run_tests",
        "profile",
        "submit",
    ]
    for spec in specs:
        assert spec.parameters["type"] == "object"
        assert spec.parameters["additionalProperties"] is False
        assert isinstance(spec.parameters["properties"], dict)
        assert '"title"' not in json.dumps(spec.parameters)
        assert len(spec.description) > 20
    assert tool_specs() == specs


def test_shell_tells_exit_code_and_output(run: Run) -> None:
    result = run("shell", {"command": "cat a.py"})
    assert not result.is_error
    assert result.output.startswith("[exit code 0, ")
    assert result.output.endswith("x = 1")
    assert run("shell", {"command": "exit 7"}).output.startswith("[exit code 7, ")
    assert run("shell", {"command": "exit 7"}).is_error


def test_shell_is_killed_at_its_limit_or_the_agents(run: Run, toolbox: Toolbox) -> None:
    result = run("shell", {"command": "echo here; sleep 60", "seconds": 0.5})
    assert "killed" in result.output
    assert "here" in result.output
    assert result.is_error
    late = toolbox.run(_call("shell", {"command": "sleep 60"}), seconds_left=0.3)
    assert "killed" in late.output


def test_shell_output_is_cut_once(run: Run) -> None:
    result = run("shell", {"command": "seq 1 100000"})
    assert len(result.output) < MAX_OUTPUT_CHARS
    assert result.output.count("cut here") == 1


def test_reports_are_cut_too(run: Run, bench: FolderBench) -> None:
    bench.measure_report = lambda: "a" * 100_000
    result = run("measure", {})
    assert len(result.output) < MAX_OUTPUT_CHARS + 100
    assert f"{100_000 - MAX_OUTPUT_CHARS} characters cut here" in result.output


def test_apply_patch_edits_and_its_errors_come_back(run: Run, bench: FolderBench, toolbox: Toolbox) -> None:
    assert run("apply_patch", {"patch": update("a.py", "-x = 1", "+x = 2")}).output == "Done.\nM a.py"
    assert (bench.root / "a.py").read_text() == "x = 2\n"
    failed = run("apply_patch", {"patch": update("a.py", "-x = 1", "+x = 3")})
    assert failed.is_error
    assert "a.py: hunk 1" in failed.output
    assert toolbox.bad_calls == 0


def test_the_workbench_is_asked(run: Run) -> None:
    assert run("measure", {}).output == "1.25x [1.20, 1.30]"
    assert run("run_tests", "").output == "3 tests passed."
    failed = run("profile", {})
    assert (failed.is_error, failed.output) == (True, "there is nothing to profile here")


def test_submit_is_remembered(run: Run, toolbox: Toolbox) -> None:
    assert toolbox.submitted is None
    run("submit", {"summary": "did it"})
    assert toolbox.submitted == "did it"


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("finish", {}, "no tool 'finish'. The tools are: shell, apply_patch"),
        ("shell", '{"command": "ls"', "not valid JSON"),
        ("shell", "[" * 100_000, "not valid JSON"),
        ("shell", "[]", "do not fit"),
        ("shell", "null", "do not fit"),
        ("shell", {}, "- command: Field required"),
        ("shell", {"command": ""}, "- command: "),
        ("shell", {"command": "ls", "timeout": 3}, "- timeout: Extra inputs are not permitted"),
        ("shell", {"command": "ls", "seconds": 1e9}, "- seconds: "),
        ("shell", '{"command": "ls", "seconds": NaN}', "- seconds: "),
        ("shell", '{"command": "echo \\ud800"}', "- command: "),
        ("apply_patch", {"patch": 3}, "- patch: "),
        ("update_plan", {"steps": [{"status": "done"}]}, "- steps.0.step: "),
        ("measure", {"workload": "x"}, "- workload: "),
    ],
)
def test_a_bad_call_is_answered_and_counted(
    run: Run, toolbox: Toolbox, name: str, arguments: object, says: str
) -> None:
    result = run(name, arguments)
    assert result.is_error
    assert result.call_id == "c1"
    assert says in result.output
    assert toolbox.bad_calls == 1


def test_describe_is_a_few_words() -> None:
    assert describe(_call("shell", {"command": "\n  python x.py\nmore"})) == "python x.py"
    assert len(describe(_call("shell", {"command": "x" * 500}))) == 80
    assert describe(_call("apply_patch", {"patch": update("a.py", "-x", "+y")})) == "a.py"
    assert describe(_call("apply_patch", {"patch": "nonsense"})) == "(a patch that cannot be read)"
    steps = [{"step": "one", "status": "completed"}, {"step": "two", "status": "in_progress"}]
    assert describe(_call("update_plan", {"steps": steps})) == "two"
    assert describe(_call("submit", {"summary": "done"})) == "done"
    assert describe(_call("measure", {})) == ""
    assert describe(_call("shell", "{")) == "(a call that cannot be read)"


def test_plan_of_reads_only_plans() -> None:
    plan = plan_of(_call("update_plan", {"steps": [{"step": "one"}]}))
    assert plan is not None
    assert plan[0].status == "pending"
    assert plan_of(_call("measure", {})) is None
    assert plan_of(_call("update_plan", "{")) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            '{"changes": [{"path": "a.py", "kind": "update"}, {"path": "b.py", "kind": {"type": "add"}}]}',
            "a.py, b.py (add)",
        ),
        ('{"paths": ["a.py", "c.py"]}', "a.py, c.py"),
        ('{"changes": "odd", "paths": null}', '{"changes": "odd", "paths": null}'),
        ('{"query": "radix sort"}', "radix sort"),
        ("", ""),
        ("[1]", "(a call that cannot be read)"),
        ("[" * 100_000, "(a call that cannot be read)"),
    ],
)
def test_another_agents_call_is_told_in_words(arguments: str, words: str) -> None:
    assert describe(ToolCall(id="c", name="file_change", arguments=arguments)) == words
