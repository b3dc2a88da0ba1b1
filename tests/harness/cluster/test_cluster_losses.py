"""What a cluster can lose under a run: a node, the run itself, its patience. Nothing counts twice, nothing is left."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from nodes import Nodes, cli, wait_until
from strategy_runs import script_agent
from test_cluster_run import assert_one_verdict_each
from tiny_task import TinyTask

from harness.events import AttemptRetried, AttemptStarted, Event, NodeLeft, PhaseStarted
from harness.journal import read_events
from harness.resume import ResumeOptions, resume_run
from harness.run import RunOutcome, run_task
from harness.run_state import fold
from harness.store import find_runs

LONG = "command:sleep 300"


class Background:
    """A run in a thread, and what it has told so far."""

    def __init__(self, nodes: Nodes, tiny: TinyTask, tmp_path: Path, **options: object) -> None:
        self.events: list[Event] = []
        self.outcome: RunOutcome | None = None
        chosen = nodes.options(tiny, tmp_path, **options)

        def work() -> None:
            self.outcome = run_task(chosen, self.events.append)

        self.thread = threading.Thread(target=work)
        self.thread.start()

    def started_on(self, node: str) -> list[str]:
        return [each.attempt for each in self.events if isinstance(each, AttemptStarted) and each.node == node]

    def in_phase(self, attempt: str) -> str | None:
        phases = [each.phase for each in self.events if isinstance(each, PhaseStarted) and each.attempt == attempt]
        return phases[-1] if phases else None

    def finish(self) -> RunOutcome:
        self.thread.join(180)
        assert self.outcome is not None, "the run did not end"
        return self.outcome


@pytest.mark.slow
def test_what_a_lost_node_was_working_on_is_done_elsewhere(bare_nodes: Nodes, tiny: TinyTask, tmp_path: Path) -> None:
    bare_nodes.add("left", num_cpus=1)
    bare_nodes.add("right", num_cpus=1)
    run = Background(bare_nodes, tiny, tmp_path, agent="command:sleep 20", attempts=4, jobs=2)
    wait_until(
        lambda: any(run.in_phase(name) == "agent" for name in run.started_on("left")), "an agent on the left", 90
    )
    bare_nodes.kill("left")
    outcome = run.finish()

    assert [(each.attempt, each.status) for each in outcome.verdicts] == [(f"00{n}", "no_patch") for n in (1, 2, 3, 4)]
    assert_one_verdict_each(outcome.run_folder)
    events = read_events(outcome.run_folder.journal)
    assert fold(events).finished
    retried = {event.attempt: event.cause for event in events if isinstance(event, AttemptRetried)}
    assert set(retried.values()) == {"lost_node"}
    assert [event.node for event in events if isinstance(event, NodeLeft)] == ["left"]
    for attempt in retried:
        places = [event.node for event in events if isinstance(event, AttemptStarted) and event.attempt == attempt]
        assert places == ["left", "right"]
    # The node's own processes saw that nobody listens, and cleaned up.
    wait_until(lambda: not bare_nodes.stations and not bare_nodes.checkouts, "the lost node's last breath")


@pytest.mark.slow
def test_where_the_agent_was_done_only_the_judging_is_done_elsewhere(
    bare_nodes: Nodes, tiny: TinyTask, tmp_path: Path
) -> None:
    bare_nodes.add("left", num_cpus=1)
    bare_nodes.add("right", num_cpus=1)
    run = Background(bare_nodes, tiny, tmp_path, agent=script_agent(tmp_path), attempts=2, jobs=2)

    def judged_on_the_left() -> list[str]:
        return [name for name in run.started_on("left") if run.in_phase(name) in ("build", "tests", "timing")]

    wait_until(judged_on_the_left, "a judge on the left", 90)
    [name] = judged_on_the_left()
    bare_nodes.kill("left")
    outcome = run.finish()
    assert [each.status for each in outcome.verdicts] == ["faster", "faster"]
    assert_one_verdict_each(outcome.run_folder)
    begun = [each for each in run.events if isinstance(each, PhaseStarted) and each.attempt == name]
    assert [each.phase for each in begun].count("agent") == 1
    assert [each.phase for each in begun].count("build") == 2
    assert [each.device.node for each in outcome.verdicts if each.device and each.attempt == name] == ["right"]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_on_any_node_and_the_run_goes_on(nodes: Nodes, tiny: TinyTask, tmp_path: Path) -> None:
    folders = ("--out", str(tmp_path / "runs"), "--worktrees", str(tmp_path / "worktrees"))
    where = ("--executor", "ray", "--ray-address", nodes.address)
    process = cli(
        "run", str(tiny.file), "--agent", LONG, "-n", "2", "-j", "2", "--limit", "seconds=600", *where, *folders
    )
    runs = tmp_path / "runs"
    wait_until(lambda: find_runs(runs), "a run")
    home = find_runs(runs)[0]

    def working() -> list[str]:
        state = fold(read_events(home.journal))
        return [name for name, attempt in state.attempts.items() if attempt.phase == "agent"]

    wait_until(lambda: len(working()) == 2, "both agents at work", 90)
    assert nodes.stations
    assert nodes.checkouts
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said.decode()
    assert b"harness resume" in said
    assert nodes.stations == []
    assert nodes.checkouts == []
    assert subprocess.run(["pgrep", "-f", "sleep 300"], capture_output=True, check=False).stdout == b""
    assert list((tmp_path / "worktrees").iterdir()) == []

    # Both begin again: nothing that an agent had not finished counts. What the nodes were found to be still holds.
    plan = json.loads(home.plan.read_text())
    plan["options"]["agent"] = "nop"
    home.plan.write_text(json.dumps(plan))
    events: list[Event] = []
    outcome = resume_run(ResumeOptions(run=home.name, out=runs), events.append)
    assert [each.status for each in outcome.verdicts] == ["no_patch", "no_patch"]
    assert_one_verdict_each(home)
    assert not [event for event in events if getattr(event, "step", None) == "noise"]


@pytest.mark.slow
def test_a_killed_run_takes_its_stations_with_it(nodes: Nodes, tiny: TinyTask, tmp_path: Path) -> None:
    folders = ("--out", str(tmp_path / "runs"), "--worktrees", str(tmp_path / "worktrees"))
    where = ("--executor", "ray", "--ray-address", nodes.address)
    process = cli("run", str(tiny.file), "--agent", LONG, "-n", "1", "--limit", "seconds=600", *where, *folders)
    wait_until(lambda: nodes.checkouts, "a checkout on a node", 90)
    process.kill()
    process.wait()
    wait_until(lambda: not nodes.stations and not nodes.checkouts, "the stations' ends")
