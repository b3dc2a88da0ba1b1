"""Tasks whose metric is a command: what a task file may say, and a patch judged from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_task import TinyTask

from harness.errors import TaskError
from harness.metric import command_spec, trusted_scripts
from harness.run import RunOptions, RunOutcome, run_task, verify_task
from harness.task_file import load_task

pytestmark = pytest.mark.slow

# The shape of the recorded session's script: it imports the target, times one call, and prints what it took.
SCRIPT = """\
import time
import tiny

values = list(range(60_000))
start = time.time()
result = tiny.total(values)
duration = time.time() - start
print(f"Duration: {duration:.4f} seconds")
print(result)
"""
NUMBER = r"number: 'Duration: (?P<value>[0-9.]+) seconds'"


@pytest.fixture
def timed(tiny: TinyTask) -> TinyTask:
    """The tiny task, timed by the script."""
    (tiny.folder / "time_it.py").write_text(SCRIPT)
    tiny.edit_task("bench: bench.py\n", "")
    tiny.edit_task(
        "api: tiny\n", f"api: tiny\nmetric: {{mode: command, command: 'python {{task}}/time_it.py', {NUMBER}}}\n"
    )
    return tiny


def verified(task: TinyTask, tmp_path: Path, patch: bytes) -> RunOutcome:
    file = tmp_path / "given.diff"
    file.write_bytes(patch)
    options = RunOptions(task=str(task.file), out=tmp_path / "runs", worktrees=tmp_path / "worktrees")
    return verify_task(options, file, lambda _: None)


def test_a_patch_is_judged_by_the_number_its_program_prints(timed: TinyTask, tmp_path: Path) -> None:
    verdict = verified(timed, tmp_path, timed.patch("range(20)", "range(2)")).verdicts[0]
    assert verdict.status == "faster", verdict.message
    assert verdict.speedup is not None
    assert verdict.speedup.low > 1.5
    assert [each.name for each in verdict.workloads] == ["command"]
    assert verdict.timing is not None
    assert verdict.timing.confirmation == verdict.speedup


def test_a_wrong_result_is_seen_in_what_it_prints(timed: TinyTask, tmp_path: Path) -> None:
    wrong = timed.patch("return result", "return result if len(values) < 1000 else 0")
    verdict = verified(timed, tmp_path, wrong).verdicts[0]
    assert (verdict.status, verdict.cause) == ("incorrect", "wrong_output")
    assert "found '0'" in verdict.message


def test_an_agent_is_shown_the_command(timed: TinyTask, tmp_path: Path) -> None:
    timed.edit_task("api: tiny\n", "")
    outcome = run_task(
        RunOptions(task=str(timed.file), out=tmp_path / "runs", worktrees=tmp_path / "worktrees", agent="nop"),
        lambda _: None,
    )
    assert outcome.verdicts[0].status == "no_patch"
    prompt = outcome.run_folder.attempt("001").prompt.read_text()
    assert "the commands below do the same work" in prompt
    assert "time_it.py" in prompt


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("{mode: command}", "exactly one of command and commands"),
        ("{mode: command, command: a, commands: {x: b}}", "exactly one of command and commands"),
        ("{command: a}", "command goes with mode: command"),
        ("{mode: command, command: a, number: 'x'}", "group named value"),
        ("{mode: command, command: a, number: '('}", "no regular expression"),
        ("{mode: command, command: a, compare: regex}", "pattern and compare"),
        ("{mode: command, commands: {x: a}, held_out: [y]}", "not among commands"),
        ("{mode: command, commands: {x: a}, held_out: [x]}", "must see at least one"),
        ("{mode: command, command: a, compare: maybe}", "'stdout', 'regex' or 'none'"),
        ("{mode: command, comand: a}", "did you mean 'command'"),
    ],
)
def test_every_mistake_is_named(tiny: TinyTask, metric: str, expected: str) -> None:
    tiny.edit_task("bench: bench.py\n", f"metric: {metric}\n")
    with pytest.raises(TaskError, match=expected) as error:
        load_task(str(tiny.file))
    assert "tiny.yaml:6" in str(error.value)


def test_a_bench_and_a_command_exclude_each_other(tiny: TinyTask) -> None:
    tiny.edit_task("bench: bench.py\n", "bench: bench.py\nmetric: {mode: command, command: a}\n")
    with pytest.raises(TaskError, match="exclude each other"):
        load_task(str(tiny.file))


def test_several_commands_and_the_scripts_a_verdict_rests_on(tiny: TinyTask) -> None:
    tiny.edit_task(
        "bench: bench.py\n",
        "metric: {mode: command, commands: {a: 'python {task}/bench.py 1', b: [python, '{task}/bench.py', '2']}, "
        "held_out: [b], check: 'test -s $HARNESS_OUTPUT'}\n",
    )
    loaded = load_task(str(tiny.file))
    spec = command_spec(loaded.task.metric, tiny.folder)
    assert spec is not None
    assert [(each.name, each.held_out) for each in spec.commands] == [("a", False), ("b", True)]
    assert spec.commands[0].arguments == ["bash", "-c", f"python {tiny.folder}/bench.py 1"]
    assert spec.commands[1].arguments == ["python", f"{tiny.folder}/bench.py", "2"]
    assert spec.check == ["bash", "-c", "test -s $HARNESS_OUTPUT"]
    assert trusted_scripts(loaded.task.metric, tiny.folder) == [tiny.folder / "bench.py"]
    assert loaded.bench_file is None
