"""Briefs: decided once, when the slot is started; kept through tries and resumed runs; announced once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from records import verdict

from harness.brief import Brief, read_brief, write_brief
from harness.brief_view import brief_parts
from harness.briefing import Briefing
from harness.errors import UsageError
from harness.event_text import describe
from harness.events import AttemptBriefed, Event
from harness.hints import add_hint
from harness.kept import start_over
from harness.plan import Slot
from harness.store import RunFolder
from harness.strategy import Member, strategy_for
from harness.strategy.best_of_n import BestOfN
from harness.verdict import PLACEBO, Verdict


class Telling:
    """A strategy that writes down what it saw and what it drew."""

    name = "telling"

    def brief(self, slot: Slot, population: Sequence[Member], rng: random.Random) -> Brief:
        return Brief(strategy=self.name, parents=[each.name for each in population], hints=[f"{rng.random()}"])


def briefing(run: Path, verdicts: list[Verdict], events: list[Event], before: Sequence[Event] = ()) -> Briefing:
    run.mkdir(exist_ok=True)
    return Briefing(Telling(), 7, RunFolder(run), lambda: verdicts, events.append, before=before)


def test_a_brief_is_decided_once_and_announced_once(tmp_path: Path) -> None:
    verdicts: list[Verdict] = []
    events: list[Event] = []
    brief = briefing(tmp_path / "run", verdicts, events)
    told = brief(Slot(name="002"))
    verdicts.append(verdict(attempt="001"))
    assert brief(Slot(name="002")) == told  # tried again: it has not heard of 001
    assert read_brief(RunFolder(tmp_path / "run").attempt("002")) == told
    assert [event.attempt for event in events if isinstance(event, AttemptBriefed)] == ["002"]


def test_a_resumed_run_reads_what_was_decided_and_decides_the_rest_alike(tmp_path: Path) -> None:
    verdicts = [verdict(attempt="002"), verdict(attempt="001")]
    first: list[Event] = []
    before = briefing(tmp_path / "run", verdicts, first)
    told = before(Slot(name="003"))
    after: list[Event] = []
    resumed = briefing(tmp_path / "run", verdicts[::-1], after, first)
    assert resumed(Slot(name="003")) == told
    assert after == []  # the journal has it
    (tmp_path / "run" / "003" / "brief.json").unlink()
    assert briefing(tmp_path / "run", verdicts[::-1], after)(Slot(name="003")) == told
    assert len(after) == 1


def test_a_kill_between_the_file_and_the_journal_loses_no_announcement(tmp_path: Path) -> None:
    events: list[Event] = []
    write_brief(RunFolder(tmp_path / "run").attempt("001"), Brief(strategy="refine", kind="refine", parents=["000"]))
    briefing(tmp_path / "run", [], events)(Slot(name="001"))
    assert [(each.attempt, each.kind, each.parents) for each in events if isinstance(each, AttemptBriefed)] == [
        ("001", "refine", ["000"])
    ]


def test_placebos_the_reference_and_failures_of_ours_play_no_part(tmp_path: Path) -> None:
    events: list[Event] = []
    verdicts = [
        verdict(attempt="001", agent=PLACEBO),
        verdict("infra_failed", attempt="002", cause="lost_node"),
        verdict("incorrect", attempt="004"),
        verdict(attempt="003"),
    ]
    brief = briefing(tmp_path / "run", verdicts, events)
    assert brief(Slot(name="005", kind="placebo", seed="x")) is None
    assert brief(Slot(name="reference", kind="reference")) is None
    assert not (tmp_path / "run" / "005").exists()
    told = brief(Slot(name="006"))
    assert told is not None and told.parents == ["003", "004"]


def test_a_try_that_starts_over_keeps_its_brief(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path).attempt("001")
    write_brief(folder, Brief(kind="refine"))
    (folder.path / "prompt.md").write_text("old")
    start_over(folder)
    assert sorted(path.name for path in folder.path.iterdir()) == ["brief.json", "try-1"]


def test_a_brief_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path).attempt("001").create()
    folder.brief.write_text('{"strategy": 3}')
    with pytest.raises(UsageError, match=r"001/brief\.json: it was edited or damaged"):
        read_brief(folder)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("best-of", r"no strategy 'best-of'.*Did you mean best-of-n"),
        ("best-of-n:k=2", r"k: there is no such parameter"),
        ("best-of-n:k", r"'k' is not KEY=VALUE"),
    ],
)
def test_a_strategy_that_is_not_there_is_told_with_the_way_out(wanted: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){says}"):
        strategy_for(wanted, BestOfN())


def test_hints_reach_the_attempts_that_start_after_them(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    events: list[Event] = []
    brief = Briefing(BestOfN(), 7, folder, list, events.append)
    folder.path.mkdir()
    first = brief(Slot(name="001"))
    add_hint(folder, "look at the sort first")
    second = brief(Slot(name="002"))
    assert first is not None and second is not None
    assert (first.hints, second.hints) == ([], ["look at the sort first"])
    assert brief(Slot(name="001")) == first  # tried again: it had started before
    assert [event.hints for event in events if isinstance(event, AttemptBriefed)] == [[], ["look at the sort first"]]
    assert "the last: look at the sort" in describe(events[1])
    shown = "".join(line.plain for line in brief_parts(folder.attempt("002")))
    assert shown == "hint     look at the sort first"
