"""Whole runs of the tiny task: what they leave, what they refuse, and how they end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tiny_task import TinyTask

from harness.errors import AdmissionError, HarnessError, Interrupted, StorageError, TaskError, UsageError
from harness.events import Event, RunStarted
from harness.journal import read_events
from harness.run import RunOptions, RunOutcome, run_task, verify_task
from harness.run_state import fold
from harness.source import seal
from harness.task_file import load_task

FAST = """\
*** Begin Patch
*** Update File: tiny/core.py
@@
-    result = 0
-    for value in values:
-        for _ in range(20):  # the work a first version does too often
-            square = value * value
-        result += square
-    return result
+    return sum([value * value for value in values])
*** End Patch
"""


def start(tiny: TinyTask, tmp_path: Path, **options: object) -> tuple[RunOutcome, list[Event]]:
    events: list[Event] = []
    defaults = {"out": tmp_path / "runs", "worktrees": tmp_path / "worktrees", "agent": "nop"}
    return run_task(RunOptions(task=str(tiny.file), **(defaults | options)), events.append), events  # type: ignore[arg-type]


def record_session(tiny: TinyTask, tmp_path: Path, *calls: tuple[str, dict[str, object]]) -> None:
    """Write the task's recorded session: one tool call a turn."""
    tree = seal(load_task(str(tiny.file)), tmp_path / "for-its-hash.git").tree
    lines = [json.dumps({"format": 1, "task": "tiny", "base_tree": tree, "model": "recorded"})]
    for number, (name, arguments) in enumerate(calls):
        call = {"id": f"c{number}", "name": name, "arguments": json.dumps(arguments)}
        lines.append(json.dumps({"kind": "turn", "text": f"step {number}", "tool_calls": [call]}))
    (tiny.folder / "recorded.jsonl").write_text("\n".join(lines) + "\n")


def test_a_cluster_without_ray_is_refused_before_anything_is_made(
    tiny: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    with pytest.raises(UsageError, match=r"needs Ray.*\n.*perf-harness\[ray\]"):
        start(tiny, tmp_path, executor="ray")
    assert not (tmp_path / "runs").exists() and not (tmp_path / "worktrees").exists()


def test_a_clusters_address_alone_does_not_start_a_run_here(tiny: TinyTask, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--ray-address ray://head:10001 .*\n.*--executor ray"):
        start(tiny, tmp_path, ray_address="ray://head:10001")
    assert not (tmp_path / "runs").exists() and not (tmp_path / "worktrees").exists()


def assert_nothing_left(tmp_path: Path) -> None:
    assert list((tmp_path / "worktrees").iterdir()) == []
    mine = [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    assert mine == []


def test_a_replayed_session_is_judged_faster_and_leaves_its_evidence(tiny: TinyTask, tmp_path: Path) -> None:
    record_session(
        tiny,
        tmp_path,
        ("shell", {"command": "mkdir -p .bench_scratch && echo note > .bench_scratch/note && cat tiny/core.py"}),
        ("apply_patch", {"patch": FAST}),
        ("run_tests", {}),
        ("measure", {}),
        ("profile", {}),
        ("submit", {"summary": "one multiplication a value"}),
    )
    outcome, events = start(tiny, tmp_path, agent=None)
    verdict = outcome.verdicts[0]
    assert verdict.status == "faster", verdict.message
    assert verdict.speedup is not None
    assert verdict.speedup.low > 1.5
    assert verdict.timing is not None
    assert verdict.timing.confirmation == verdict.speedup
    assert {result.name for result in verdict.workloads} == {"small", "large", "secret"}
    assert outcome.exit_code == 0

    folder = outcome.run_folder.attempt("001")
    for path in folder.files.values():
        assert path.stat().st_size > 0, path
    assert json.loads(folder.verdict.read_text()) == json.loads(verdict.model_dump_json())
    assert ".bench_scratch" not in folder.patch.read_text()
    fresh = tmp_path / "fresh"
    shutil.copytree(tiny.folder / "target", fresh)
    subprocess.run(["git", "apply", "--check", str(folder.patch)], cwd=fresh, check=True)

    prompt = folder.prompt.read_text()
    assert "small" in prompt
    assert "secret" not in prompt
    trajectory = folder.trajectory.read_text()
    assert "Geometric mean" in trajectory
    assert "secret" not in trajectory
    assert "3 tests passed" not in trajectory  # the hidden one is not run for the agent
    assert "2 tests passed" in trajectory

    state = fold(read_events(outcome.run_folder.journal))
    assert state.verdicts == [verdict]
    assert any(event.event == "timing_progress" for event in events)
    assert_nothing_left(tmp_path)


def test_folders_may_be_given_relative_to_where_one_stands(
    tiny: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.diff").write_bytes(tiny.patch("result = 0", "result = 1"))
    options = RunOptions(task="tiny-task/tiny.yaml", out=Path("runs"), worktrees=Path("worktrees"))
    outcome = verify_task(options, Path("p.diff"), lambda _event: None)
    assert (outcome.verdicts[0].status, outcome.verdicts[0].cause) == ("incorrect", "test_failed")


def test_doing_nothing_is_no_patch(tiny: TinyTask, tmp_path: Path) -> None:
    outcome, _ = start(tiny, tmp_path, attempts=2)
    assert [verdict.status for verdict in outcome.verdicts] == ["no_patch", "no_patch"]
    assert [verdict.counted_speedup for verdict in outcome.verdicts] == [1.0, 1.0]
    assert_nothing_left(tmp_path)


def test_editing_a_test_is_rejected_and_the_agent_was_warned(tiny: TinyTask, tmp_path: Path) -> None:
    record_session(
        tiny,
        tmp_path,
        ("shell", {"command": "echo 'def test_nothing(): pass' > tests/test_core.py"}),
        ("run_tests", {}),
        ("submit", {"summary": "x"}),
    )
    outcome, _ = start(tiny, tmp_path, agent=None)
    verdict = outcome.verdicts[0]
    assert (verdict.status, verdict.cause) == ("rejected", "outside_target_files")
    assert "WARNING" in outcome.run_folder.attempt("001").trajectory.read_text()


def test_a_session_that_no_longer_fits_ends_as_an_agents_failure(tiny: TinyTask, tmp_path: Path) -> None:
    record_session(tiny, tmp_path, ("apply_patch", {"patch": FAST.replace("result = 0", "total = 0")}))
    outcome, _ = start(tiny, tmp_path, agent=None)
    assert outcome.verdicts[0].status == "agent_failed"
    assert "when it was recorded" in outcome.verdicts[0].message


def test_a_changed_target_stops_the_replay_before_it_starts(tiny: TinyTask, tmp_path: Path) -> None:
    record_session(tiny, tmp_path, ("submit", {"summary": "x"}))
    tiny.core.write_text(tiny.core.read_text() + "# changed\n")
    with pytest.raises(TaskError, match="recorded against another version"):
        start(tiny, tmp_path, agent=None)
    assert_nothing_left(tmp_path)


def test_worktrees_stay_when_asked(tiny: TinyTask, tmp_path: Path) -> None:
    outcome, _ = start(tiny, tmp_path, keep_worktrees=True)
    assert (tmp_path / "worktrees" / outcome.run_folder.name / "001" / "tiny" / "core.py").is_file()


def break_build(tiny: TinyTask) -> None:
    tiny.edit_task("api: tiny", 'api: tiny\nbuild: ["echo compiling; exit 7"]')


def break_public_test(tiny: TinyTask) -> None:
    (tiny.folder / "target" / "tests" / "test_core.py").write_text("def test_x(): assert 1 == 2\n")


def break_hidden_test(tiny: TinyTask) -> None:
    (tiny.folder / "hidden_tests" / "test_hidden.py").write_text("def test_x(): assert 1 == 2\n")


def break_bench_import(tiny: TinyTask) -> None:
    (tiny.folder / "bench.py").write_text("import no_such_module\n")


def break_bench_contract(tiny: TinyTask) -> None:
    (tiny.folder / "bench.py").write_text("def workloads(device):\n    return []\n")


def break_oracle(tiny: TinyTask) -> None:
    bench = tiny.folder / "bench.py"
    bench.write_text(bench.read_text().replace("sum(value * value", "1 + sum(value * value"))


def break_package(tiny: TinyTask) -> None:
    tiny.edit_task("api: tiny", "api: tinny")


@pytest.mark.parametrize(
    ("break_it", "kind", "words"),
    [
        (break_build, AdmissionError, "exit code 7"),
        (break_public_test, AdmissionError, "test_x"),
        (break_hidden_test, AdmissionError, "test_x"),
        (break_bench_import, TaskError, "no_such_module"),
        (break_bench_contract, TaskError, "bench.py"),
        (break_oracle, AdmissionError, "oracle"),
        (break_package, AdmissionError, "tinny"),
    ],
)
def test_a_bad_base_ends_at_admission_and_leaves_nothing(
    tiny: TinyTask, tmp_path: Path, break_it: object, kind: type[HarnessError], words: str
) -> None:
    break_it(tiny)  # type: ignore[operator]
    with pytest.raises(kind, match=words) as error:
        start(tiny, tmp_path)
    assert error.value.exit_code == 2
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("agent", ["codx", "loop", "replay", None])
def test_an_agent_that_cannot_be_had_is_refused_first(tiny: TinyTask, tmp_path: Path, agent: str | None) -> None:
    tiny.edit_task("recorded: recorded.jsonl\n", "")
    model = None if agent else "a-model-without-a-key"
    with pytest.raises(UsageError):
        start(tiny, tmp_path, agent=agent, model=model)
    assert list((tmp_path / "runs").iterdir()) == []
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("option", ["out", "worktrees"])
def test_a_folder_that_is_a_file_is_named(tiny: TinyTask, tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        start(tiny, tmp_path, **{option: tmp_path / "file" / "below"})


def cli(tiny: TinyTask, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness.cli", "run", str(tiny.file), *arguments]


def test_a_full_disk_is_one_message_and_no_half_made_worktree(tiny: TinyTask, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = " ".join(cli(tiny, "--agent", "nop", "--out", f"{small}/runs", "--worktrees", f"{small}/worktrees"))
    script = f"mount -t tmpfs -o size=100k none {small} && ({command}; echo exit=$?; find {small}/worktrees)"
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "exit=4" in ended.stdout, ended.stdout + ended.stderr
    assert "No space left" in ended.stderr or "disk is full" in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout.strip().splitlines()[-1] == f"{small}/worktrees"


@pytest.mark.parametrize(
    ("signal_number", "moment"), [(signal.SIGINT, "noise"), (signal.SIGTERM, "agent"), (signal.SIGINT, "timing")]
)
def test_an_interrupt_ends_cleanly_at_any_moment(
    tiny: TinyTask, tmp_path: Path, signal_number: signal.Signals, moment: str
) -> None:
    record_session(
        tiny,
        tmp_path,
        ("apply_patch", {"patch": FAST}),
        ("shell", {"command": "sleep 1.5 & sleep 1.5"}),
        ("submit", {"summary": "x"}),
    )
    arguments = ["--json", "--out", str(tmp_path / "runs"), "--worktrees", str(tmp_path / "worktrees")]
    process = subprocess.Popen(
        # Whoever runs the tests in the background has interrupts ignored, and children inherit that.
        ["env", "--default-signal=INT", *cli(tiny, *arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if moment in (event.get("step"), event.get("phase")):
            time.sleep(0.5)
            break
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal_number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Kept:" in errors
    assert "Traceback" not in errors
    gone, alive = psutil.wait_procs(family, timeout=5)
    assert not alive, (gone, alive)
    assert list((tmp_path / "worktrees").iterdir()) == []
    journal = next((tmp_path / "runs").glob("*/journal.jsonl"))
    assert fold(read_events(journal)).interrupted


def test_ctrl_c_while_the_first_line_is_being_shown_is_told_as_it_is(tiny: TinyTask, tmp_path: Path) -> None:
    """The journal has the event before the display: from then on the run is there, can be gone on with, and says so."""

    def impatient(event: Event) -> None:
        if isinstance(event, RunStarted):
            raise KeyboardInterrupt

    options = RunOptions(task=str(tiny.file), out=tmp_path / "runs", worktrees=tmp_path / "worktrees", agent="nop")
    with pytest.raises(Interrupted, match=r"Kept: .* with 0 finished attempts; .*`harness resume tiny-"):
        run_task(options, impatient)
    (folder,) = (tmp_path / "runs").iterdir()
    assert fold(read_events(folder / "journal.jsonl")).interrupted
