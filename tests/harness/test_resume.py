"""Runs that are killed and gone on with: nothing is lost, nothing is done twice, nothing is left."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from tiny_task import TinyTask, make_tiny_task

from harness.errors import StorageError, UsageError
from harness.events import AttemptFinished, AttemptStarted, Event, RunFinished, RunResumed
from harness.find_run import find_run
from harness.journal import Journal, read_events
from harness.options import RunOptions
from harness.plan import read_plan, write_plan
from harness.resume import ResumeOptions, resume_run, spent_before
from harness.run import RunOutcome, run_task
from harness.run_state import fold
from harness.source import seal
from harness.store import RunFolder, find_runs
from harness.task_file import load_task
from harness.verdict import Verdict
from harness.workspace import is_in_use, workspace

# A patch that is rejected at once: the whole way through worktree, agent, diff and judge in a quarter of a second.
WRONG_FILE = "*** Begin Patch\n*** Update File: README.md\n@@\n-A target for tests.\n+Rewritten.\n*** End Patch\n"


def record(tiny: TinyTask, tmp_path: Path, *commands: str) -> None:
    tree = seal(load_task(str(tiny.file)), tmp_path / "for-its-hash.git").tree
    calls: list[tuple[str, dict[str, str]]] = [("shell", {"command": command}) for command in commands]
    calls += [("apply_patch", {"patch": WRONG_FILE}), ("submit", {"summary": "x"})]
    lines = [json.dumps({"format": 1, "task": "tiny", "base_tree": tree, "model": "recorded"})]
    for number, (name, arguments) in enumerate(calls):
        call = {"id": f"c{number}", "name": name, "arguments": json.dumps(arguments)}
        lines.append(json.dumps({"kind": "turn", "text": f"step {number}", "tool_calls": [call]}))
    (tiny.folder / "recorded.jsonl").write_text("\n".join(lines) + "\n")


def start(tiny: TinyTask, tmp_path: Path, **options: object) -> RunOutcome:
    defaults = {"out": tmp_path / "runs", "worktrees": tmp_path / "worktrees", "agent": "nop", "seed": 7}
    return run_task(RunOptions(task=str(tiny.file), **(defaults | options)), lambda _: None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run of each agent; admitting a base for every test would take a minute."""
    made = {}
    for agent, attempts in (("nop", 3), ("replay", 1)):
        folder = tmp_path_factory.mktemp(agent)
        tiny = make_tiny_task(folder / "tiny-task")
        record(tiny, folder)
        made[agent] = start(tiny, folder, agent=agent, attempts=attempts).run_folder.path
    return made


def finished(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path, agent: str = "nop", keep: int = 3
) -> RunFolder:
    """A finished run of this test's own task, with its first `keep` attempts."""
    template = templates[agent]
    if agent == "replay":
        record(tiny, tmp_path)
    else:
        shutil.copy(template.parent.parent / "tiny-task" / "recorded.jsonl", tiny.folder / "recorded.jsonl")
    run = RunFolder(tmp_path / "runs" / template.name)
    shutil.copytree(template, run.path)
    (tmp_path / "worktrees").mkdir()
    plan = read_plan(run)
    options = plan.options | {"task": str(tiny.file), "worktrees": str(tmp_path / "worktrees")}
    slots = plan.slots[:keep]
    write_plan(run, plan.model_copy(update={"options": options | {"attempts": len(slots)}, "slots": slots}))
    names = [slot.name for slot in slots]
    lines = []
    for line in run.journal.read_text().splitlines():
        event = json.loads(line)
        if event.get("attempt", names[0]) not in names:
            continue
        if event["event"] == "run_finished":
            event["attempts"] = [each for each in event["attempts"] if each["attempt"] in names]
        lines.append(json.dumps(event) + "\n")
    run.journal.write_text("".join(lines))
    for slot in plan.slots[keep:]:
        shutil.rmtree(run.attempt(slot.name).path)
    return run


def go_on(tmp_path: Path, **options: object) -> tuple[RunOutcome, list[Event]]:
    events: list[Event] = []
    wanted = ResumeOptions(**({"run": "latest", "out": tmp_path / "runs"} | options))  # type: ignore[arg-type]
    return resume_run(wanted, events.append), events


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness.cli", *arguments]


def assert_sound(run: RunFolder, worktrees: Path, names: list[str]) -> None:
    """Every attempt has one verdict in the journal, the same on disk, and nothing else is left."""
    events = read_events(run.journal)
    finished = Counter(event.attempt for event in events if isinstance(event, AttemptFinished))
    assert finished == dict.fromkeys(names, 1)
    state = fold(events)
    assert state.finished and state.error is None and not state.interrupted
    assert [verdict.attempt for verdict in state.verdicts] == names or sorted(finished) == sorted(names)
    for verdict in state.verdicts:
        assert Verdict.model_validate_json(run.attempt(str(verdict.attempt)).verdict.read_bytes()) == verdict
    assert list(worktrees.iterdir()) == []
    assert strays(worktrees) == []


def strays(worktrees: Path) -> list[str]:
    """Processes that work below the worktrees folder, or measure for a run that is gone."""
    found = []
    for process in psutil.process_iter(["pid", "name"]):
        try:
            said = " ".join([*process.cmdline(), *process.environ().values(), process.cwd()])
        except psutil.Error:
            continue
        if str(worktrees) in said and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            found.append(f"{process.pid} {process.info['name']}")
    return found


def cut_after(run: RunFolder, count: int, kind: type = AttemptFinished) -> None:
    """Cut the journal off behind the event number `count` of a kind, as a kill would have."""
    lines = run.journal.read_bytes().splitlines(keepends=True)
    events = read_events(run.journal)
    places = [number for number, event in enumerate(events) if isinstance(event, kind)]
    run.journal.write_bytes(b"".join(lines[: places[count - 1] + 1]))


def test_a_finished_run_gets_more_attempts(templates: dict[str, Path], tiny: TinyTask, tmp_path: Path) -> None:
    run = finished(templates, tiny, tmp_path, keep=2)
    before = fold(read_events(run.journal)).verdicts
    outcome, events = go_on(tmp_path, more=3, jobs=2)
    assert outcome.run_folder.name == run.name
    assert [verdict.attempt for verdict in outcome.verdicts] == ["001", "002", "003", "004", "005"]
    resumed = next(event for event in events if isinstance(event, RunResumed))
    assert (resumed.attempts, resumed.finished) == (5, 2)
    assert [event.attempt for event in events if isinstance(event, AttemptStarted)] == ["003", "004", "005"]
    assert outcome.verdicts[:2] == before
    assert_sound(outcome.run_folder, tmp_path / "worktrees", ["001", "002", "003", "004", "005"])
    assert read_plan(outcome.run_folder).options["attempts"] == 5


def test_a_torn_verdict_event_is_recovered_from_the_verdicts_own_file(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path
) -> None:
    run = finished(templates, tiny, tmp_path)
    before = fold(read_events(run.journal)).verdicts
    cut_after(run, 2)
    journal = run.journal.read_bytes()
    run.journal.write_bytes(journal[: journal.rindex(b"attempt_finished") + 40])
    outcome, events = go_on(tmp_path)
    # That the third had begun was lost with it.
    assert outcome.verdicts == before
    assert not any(isinstance(event, AttemptStarted) for event in events)
    assert_sound(run, tmp_path / "worktrees", ["001", "002", "003"])


def test_a_half_written_verdict_is_not_believed(templates: dict[str, Path], tiny: TinyTask, tmp_path: Path) -> None:
    run = finished(templates, tiny, tmp_path, keep=1)
    cut_after(run, 1, AttemptStarted)
    verdict = run.attempt("001").verdict
    verdict.write_bytes(verdict.read_bytes()[:-20])
    outcome, events = go_on(tmp_path)
    assert [event.attempt for event in events if isinstance(event, AttemptStarted)] == ["001"]
    assert outcome.verdicts[0].status == "no_patch"
    assert_sound(run, tmp_path / "worktrees", ["001"])


def test_what_the_agent_had_finished_is_judged_and_not_made_again(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path
) -> None:
    run = finished(templates, tiny, tmp_path, "replay")
    cut_after(run, 1, AttemptStarted)
    folder = run.attempt("001")
    folder.verdict.unlink()
    patch, trajectory = folder.patch.read_bytes(), folder.trajectory.read_bytes()
    outcome, events = go_on(tmp_path)
    assert outcome.verdicts[0].cause == "outside_target_files"
    assert outcome.verdicts[0].cost.steps == 2
    assert "agent" not in [getattr(event, "phase", None) for event in events]
    assert (folder.patch.read_bytes(), folder.trajectory.read_bytes()) == (patch, trajectory)


def test_a_patch_that_was_changed_since_is_not_judged_as_the_agents(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path
) -> None:
    run = finished(templates, tiny, tmp_path, "replay")
    cut_after(run, 1, AttemptStarted)
    folder = run.attempt("001")
    folder.verdict.unlink()
    whole = folder.patch.read_bytes()
    folder.patch.write_bytes(whole[: len(whole) // 2])
    outcome, events = go_on(tmp_path)
    assert "agent" in [getattr(event, "phase", None) for event in events]
    assert outcome.verdicts[0].cause == "outside_target_files"
    assert folder.patch.read_bytes() == whole
    assert (folder.path / "try-1" / folder.patch.name).stat().st_size < len(whole)


def test_a_copy_of_a_run_that_is_still_at_work_leaves_the_other_ones_checkouts_alone(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path
) -> None:
    run = finished(templates, tiny, tmp_path, keep=1)
    shutil.copytree(run.path, tmp_path / "copy" / run.name)
    with workspace(tmp_path / "worktrees" / run.name, run=run.path) as space:
        sleeper = subprocess.Popen(["sleep", "64.5"], cwd=space)
        try:
            outcome, _ = go_on(tmp_path, run=str(tmp_path / "copy" / run.name), more=1)
            assert sleeper.poll() is None and space.is_dir()
        finally:
            sleeper.kill()
            sleeper.wait()
    assert [verdict.attempt for verdict in outcome.verdicts] == ["001", "002"]
    assert list((tmp_path / "worktrees").iterdir()) == []


def test_a_run_whose_folder_for_checkouts_cannot_be_had_any_more_gets_another(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path
) -> None:
    run = finished(templates, tiny, tmp_path, keep=1)
    (tmp_path / "worktrees").rmdir()
    (tmp_path / "worktrees").write_text("on the machine it came from this was a folder")
    with pytest.raises(StorageError, match="--worktrees"):
        go_on(tmp_path, more=1)
    outcome, _ = go_on(tmp_path, more=1, worktrees=tmp_path / "elsewhere")
    assert len(outcome.verdicts) == 2
    assert read_plan(run).options["worktrees"] == str(tmp_path / "elsewhere")


def test_a_clock_that_was_set_back_does_not_give_time_back(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path
) -> None:
    run = finished(templates, tiny, tmp_path, keep=2)
    events = read_events(run.journal)
    before = spent_before(run, events, []).seconds
    half = len(events) // 2
    jumped = [
        each if number < half else each.model_copy(update={"at": each.at.replace("20", "19", 1)})
        for number, each in enumerate(events)
    ]
    assert datetime.fromisoformat(jumped[-1].at) < datetime.fromisoformat(jumped[0].at)
    assert 0 < spent_before(run, jumped, []).seconds <= before + 0.001


def test_what_the_agent_had_not_finished_is_put_aside(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path
) -> None:
    run = finished(templates, tiny, tmp_path, "replay")
    cut_after(run, 1, AttemptStarted)
    folder = run.attempt("001")
    folder.verdict.unlink()
    folder.outcome.unlink()
    outcome, _ = go_on(tmp_path)
    assert outcome.verdicts[0].cause == "outside_target_files"
    assert (folder.path / "try-1" / "trajectory.jsonl").stat().st_size > 0
    assert_sound(run, tmp_path / "worktrees", ["001"])


def change_bench(tiny: TinyTask) -> str:
    bench = tiny.folder / "bench.py"
    bench.write_text(bench.read_text() + "\n# changed\n")
    return "the bench"


def change_target(tiny: TinyTask) -> str:
    tiny.core.write_text(tiny.core.read_text() + "\n# changed\n")
    return "the target"


def change_task(tiny: TinyTask) -> str:
    tiny.edit_task("min_effect: 0.2", "min_effect: 0.1")
    return "the task file"


def test_a_task_that_is_gone_is_named(templates: dict[str, Path], tiny: TinyTask, tmp_path: Path) -> None:
    run = finished(templates, tiny, tmp_path, keep=1)
    before = run.journal.read_bytes()
    tiny.file.rename(tiny.folder / "moved.yaml")
    with pytest.raises(UsageError, match=rf"the run {run.name} was begun with is gone: .*tiny\.yaml\.\nPut it back"):
        resume_run(ResumeOptions(run=run.name, out=run.path.parent), lambda _: None)
    assert run.journal.read_bytes() == before


def test_what_has_changed_is_refused_unless_forced(templates: dict[str, Path], tiny: TinyTask, tmp_path: Path) -> None:
    run = finished(templates, tiny, tmp_path, keep=1)
    before = run.journal.read_bytes()
    changed = [change(tiny) for change in (change_bench, change_target, change_task)]
    with pytest.raises(UsageError, match="cannot go on as it began") as refused:
        go_on(tmp_path, more=1)
    assert all(name in str(refused.value) for name in changed)
    assert refused.value.exit_code == 2
    assert list((tmp_path / "worktrees").iterdir()) == []
    assert run.journal.read_bytes() == before
    outcome, events = go_on(tmp_path, more=1, force=True)
    resumed = next(event for event in events if isinstance(event, RunResumed))
    assert set(changed) <= set(resumed.forced)
    assert [verdict.status for verdict in outcome.verdicts] == ["no_patch", "no_patch"]
    assert outcome.verdicts[0].base_commit != outcome.verdicts[1].base_commit
    go_on(tmp_path, more=1)  # what was forced once is how the run is now


def test_a_run_that_somebody_works_on_is_refused(templates: dict[str, Path], tiny: TinyTask, tmp_path: Path) -> None:
    run = finished(templates, tiny, tmp_path, keep=1)
    with Journal(run.journal), pytest.raises(UsageError, match="being worked on"):
        go_on(tmp_path, more=1)


def test_a_run_of_a_cluster_goes_on_here_and_an_address_alone_is_refused(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path
) -> None:
    run = finished(templates, tiny, tmp_path, keep=2)
    with pytest.raises(UsageError, match="stays on this machine"):
        go_on(tmp_path, ray_address="ray://head:10001")
    plan = read_plan(run)
    begun = plan.options | {"executor": "ray", "ray_address": "ray://head:10001"}
    write_plan(run, plan.model_copy(update={"options": begun}))
    assert len(go_on(tmp_path, executor="local")[0].verdicts) == 2


def test_a_run_of_before_there_were_plans_is_refused_with_a_reason(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path
) -> None:
    run = finished(templates, tiny, tmp_path, keep=1)
    run.plan.unlink()
    with pytest.raises(UsageError, match="could not resume"):
        go_on(tmp_path)


@pytest.mark.parametrize("damage", ["", "{", "\0\0\0", "[]", "null"])
def test_orders_that_are_damaged_are_named_with_the_way_out(
    templates: dict[str, Path], tiny: TinyTask, tmp_path: Path, damage: str
) -> None:
    run = finished(templates, tiny, tmp_path, keep=1)
    run.plan.write_text(damage)
    with pytest.raises(UsageError, match=r"run\.json: it was edited or damaged.*\nRestore it, or start a new run"):
        go_on(tmp_path)


class Killer:
    """Starts harness commands in sessions of their own, and kills them."""

    def __init__(self, tmp_path: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.runs, self.worktrees = tmp_path / "runs", tmp_path / "worktrees"
        self.seen: dict[str, Verdict] = {}
        self.logs = tmp_path / "stderr"

    def let_live(self, seconds: float, *arguments: str) -> int | None:
        """Run a command for a while, then kill it: its whole group, or it alone. Its exit code if it was quicker."""
        with self.logs.open("ab") as log:
            process = subprocess.Popen(
                command(*arguments), stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            if self.random.random() < 0.5:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
        self.remember()
        return None

    def let_live_until(self, marker: bytes, journal: Path, *arguments: str) -> None:
        """Run a command until its run's journal holds something, then kill it."""
        with self.logs.open("ab") as log:
            process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=log)
        try:
            while marker not in journal.read_bytes():
                assert process.poll() is None, self.logs.read_text()
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()

    def remember(self) -> None:
        """Every verdict the journal has once told must stand for ever."""
        for run in find_runs(self.runs):
            for event in read_events(run.journal):
                if isinstance(event, AttemptFinished):
                    known = self.seen.setdefault(f"{run.name}/{event.attempt}", event.verdict)
                    assert known == event.verdict


def kill_at_random(tiny: TinyTask, tmp_path: Path, kills: int, seed: int) -> None:
    record(tiny, tmp_path, "sleep 0.05 & sleep 0.1")
    killer = Killer(tmp_path, seed)
    folders = ["--out", str(killer.runs)]
    arguments = [str(tiny.file), *folders, "--worktrees", str(killer.worktrees), "-n", "6", "-j", "2", "--seed", "3"]
    # In the admission, or even before; some leave nothing that could be gone on with.
    for _ in range(min(12, kills // 6)):
        assert killer.let_live(killer.random.uniform(0.2, 6.0), "run", *arguments) is None
    started = [run for run in find_runs(killer.runs) if run.plan.exists()]
    if not started:
        assert killer.let_live(8.0, "run", *arguments) is None
        started = find_runs(killer.runs)
    run = started[0]
    planned = 6
    resume = ["resume", run.name, *folders]
    killer.let_live_until(b'"event": "admitted"', run.journal, *resume)
    killed = attempted = 0
    while killed < kills:
        more = ["-n", "6"] if (state := fold(read_events(run.journal))).finished and state.error is None else []
        before = run.journal.stat().st_size
        code = killer.let_live(killer.random.uniform(0.6, 4.0), *resume, *more)
        killed += code is None
        attempted += b'"attempt_started"' in run.journal.read_bytes()[before:]
        assert code in (None, 0), killer.logs.read_text()
        planned = len(read_plan(run).slots)
    assert killer.let_live(600, *resume) == 0, killer.logs.read_text()
    killer.remember()
    mine = {name: verdict for name, verdict in killer.seen.items() if name.startswith(f"{run.name}/")}
    state = fold(read_events(run.journal))
    assert len(state.verdicts) == planned
    assert all(state.attempts[name.rpartition("/")[2]].verdict == verdict for name, verdict in mine.items())
    assert {verdict.cause for verdict in state.verdicts} == {"outside_target_files"}
    for left in killer.worktrees.iterdir():  # of runs that were killed and not gone on with
        assert left.name != run.name and not is_in_use(left)
    give_up = time.monotonic() + 10
    while strays(killer.worktrees) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert strays(killer.worktrees) == []
    finished = Counter(event.attempt for event in read_events(run.journal) if isinstance(event, AttemptFinished))
    assert set(finished.values()) == {1}
    assert attempted > kills / 5  # most kills hit attempts, not the start of a process
    assert len(mine) >= 6
    assert "Traceback" not in killer.logs.read_text()


@pytest.mark.slow
def test_killed_at_a_dozen_instants_no_verdict_is_lost_or_made_twice(tiny: TinyTask, tmp_path: Path) -> None:
    kill_at_random(tiny, tmp_path, kills=12, seed=int(os.environ.get("KILL_SEED", "1")))


@pytest.mark.slow
def test_killed_at_200_instants_no_verdict_is_lost_or_made_twice(tiny: TinyTask, tmp_path: Path) -> None:
    kill_at_random(tiny, tmp_path, kills=200, seed=int(os.environ.get("KILL_SEED", "2")))


def test_of_two_that_resume_at_once_one_is_refused(templates: dict[str, Path], tiny: TinyTask, tmp_path: Path) -> None:
    run = finished(templates, tiny, tmp_path, keep=1)
    arguments = command("resume", run.name, "--out", str(tmp_path / "runs"), "-n", "1")
    both = [subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(2)]
    said = [process.communicate(timeout=60)[1].decode() for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 2], [0, 4]), said
    assert any("nother process" in text for text in said)
    assert len(fold(read_events(run.journal)).verdicts) == 2
    assert isinstance(read_events(run.journal)[-1], RunFinished)
    assert find_run(tmp_path / "runs").name == run.name
