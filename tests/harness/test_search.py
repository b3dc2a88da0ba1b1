"""The strategy of a run: the command line, the task, and agents that are told nothing."""

from __future__ import annotations

import pytest
from tiny_task import TinyTask

from harness.errors import UsageError
from harness.options import RunOptions
from harness.search import strategy_note, strategy_of
from harness.strategy import strategy_for
from harness.strategy.evolve import Evolve
from harness.strategy.refine import Refine
from harness.task_file import load_task


def test_the_command_line_beats_the_task_and_keeps_its_parameters(tiny: TinyTask) -> None:
    tiny.edit_task("api: tiny", "api: tiny\nstrategy: {name: evolve, islands: 3, crossover: 1}")
    task = load_task(str(tiny.file)).task
    assert task.strategy == Evolve(islands=3, crossover=1)

    def chosen(wanted: str | None) -> object:
        return strategy_of(RunOptions(task="", strategy=wanted), task, "loop")

    assert chosen(None) == Evolve(islands=3, crossover=1)
    assert chosen("evolve") == Evolve(islands=3, crossover=1)
    assert chosen("evolve:islands=5") == Evolve(islands=5, crossover=1)
    assert chosen("refine:first=1,top=2") == Refine(first=1, top=2)


def test_the_name_alone_is_enough_in_a_task(tiny: TinyTask) -> None:
    tiny.edit_task("api: tiny", "api: tiny\nstrategy: refine")
    assert load_task(str(tiny.file)).task.strategy == Refine()


@pytest.mark.parametrize("agent", ["replay", "nop", "oracle"])
def test_an_agent_that_reads_nothing_begins_at_the_base_and_that_is_said(tiny: TinyTask, agent: str) -> None:
    task = load_task(str(tiny.file)).task
    options = RunOptions(task="", strategy="refine")
    assert strategy_of(options, task, agent).name == "best-of-n"
    assert str(strategy_note(options, task, agent)).startswith(f"{agent} does the same whatever it is told: refine")
    assert strategy_note(options, task, "command:x") is None
    assert strategy_note(RunOptions(task=""), task, agent) is None


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("evolved", "Did you mean evolve"),
        ("evolve:islands=many", "islands: Input should be a valid integer"),
        ("evolve:islands=0", "greater than or equal to 1"),
        ("refine:islands=2", "islands: there is no such parameter.*refine takes: first, top"),
        ("", "no strategy ''"),
        ("refine:name=evolve", "'name=evolve' is not KEY=VALUE"),
    ],
)
def test_a_wrong_word_is_told_with_the_way_out(wanted: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){says}"):
        strategy_for(wanted, Refine())
