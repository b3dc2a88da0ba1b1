"""A run on a real cluster of several nodes, with nothing shared but Ray."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from nodes import Nodes
from strategy_runs import script_agent
from tiny_task import TinyTask

from harness.brief import read_brief
from harness.events import Admitted, AttemptFinished, AttemptStarted, Event, NodeJoined, TimingProgress
from harness.journal import read_events
from harness.run import run_task
from harness.run_state import fold
from harness.store import RunFolder

WAITING = """
import sys, time
from pathlib import Path

while not Path(sys.argv[1], "open").exists():
    time.sleep(0.1)
"""


def test_attempts_spread_over_the_nodes_and_come_home(nodes: Nodes, tiny: TinyTask, tmp_path: Path) -> None:
    # Whoever is admitted first has both of its attempts in hand, and in the agent's, until the other is.
    gate = tmp_path / "gate"
    gate.mkdir()
    agent = f"{script_agent(tmp_path, WAITING)} {gate}"
    admitted: set[str | None] = set()

    def watch(event: Event) -> None:
        if isinstance(event, Admitted):
            admitted.add(event.node)
            if len(admitted) == 2:
                (gate / "open").touch()

    outcome = run_task(nodes.options(tiny, tmp_path, agent=agent, attempts=4, jobs=4), watch)
    assert [(each.attempt, each.status) for each in outcome.verdicts] == [(f"00{n}", "no_patch") for n in (1, 2, 3, 4)]
    home = outcome.run_folder
    events = read_events(home.journal)
    assert fold(events).finished

    # Each node admitted the base itself, once, and its noise is its verdicts'.
    assert Counter(event.node for event in events if isinstance(event, Admitted)) == {"left": 1, "right": 1}
    assert {event.node for event in events if isinstance(event, NodeJoined)} == {"left", "right"}
    where = {event.attempt: event.node for event in events if isinstance(event, AttemptStarted)}
    assert Counter(where.values()) == {"left": 2, "right": 2}
    assert {str(each.attempt): each.device.node for each in outcome.verdicts if each.device} == where
    floors = json.loads(home.nodes.read_text())
    assert sorted(each["machine"]["node"] for each in floors.values()) == ["left", "right"]

    # Folders are home whole, with nothing else beside them, and nothing is left elsewhere.
    for attempt in home.attempts:
        assert {path.name for path in attempt.path.iterdir()} >= {"prompt.md", "trajectory.jsonl", "verdict.json"}
    assert [attempt.name for attempt in home.attempts] == ["001", "002", "003", "004"]
    assert not (home.path / ".arriving").exists()
    assert nodes.stations == []
    assert nodes.checkouts == []


@pytest.mark.slow
def test_an_attempt_goes_on_from_a_patch_that_lies_at_home(nodes: Nodes, tiny: TinyTask, tmp_path: Path) -> None:
    agent = script_agent(tmp_path)
    outcome, _ = nodes.run(tiny, tmp_path, agent=agent, attempts=2, strategy="refine:first=1", jobs=1)
    first, second = outcome.verdicts
    assert (first.status, second.status) == ("faster", "faster"), (first.message, second.message)
    brief = read_brief(outcome.run_folder.attempt("002"))
    assert brief is not None
    assert brief.start_from == "001"
    # Half of the work, then a quarter; and what was judged is the difference from the base.
    assert "+        for _ in range(5)" in outcome.run_folder.attempt("002").patch.read_text()
    assert "-        for _ in range(20)" in outcome.run_folder.attempt("002").patch.read_text()


def assert_timed_one_at_a_time(events: list[object]) -> None:
    """Of what a device measures, one measurement's sessions come without another's between them."""
    at: dict[str, str | None] = {}
    order: defaultdict[str | None, list[tuple[str, str]]] = defaultdict(list)
    for event in events:
        if isinstance(event, AttemptStarted):
            at[event.attempt] = event.node
        elif isinstance(event, TimingProgress):
            who = (event.attempt, event.phase)
            if not order[at[event.attempt]] or order[at[event.attempt]][-1] != who:
                order[at[event.attempt]].append(who)
    for found in order.values():
        assert len(found) == len(set(found)), found


def assert_one_verdict_each(home: RunFolder) -> None:
    finished = Counter(event.attempt for event in read_events(home.journal) if isinstance(event, AttemptFinished))
    assert set(finished.values()) == {1}
