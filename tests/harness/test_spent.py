"""What an attempt cost: every try of it counts, whole, broken off or killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from records import verdict

from agent.messages import ModelTurn, Usage
from agent.trajectory import Ended, Trajectory, TrajectoryEvent, TurnTaken
from harness.kept import start_over
from harness.spent import session_cost, total, with_tries
from harness.store import AttemptFolder
from harness.verdict import Cost, Tokens


def _turn(step: int, usd: float | None = None) -> TurnTaken:
    answer = ModelTurn(text="a", usage=Usage(input=100, output=10))
    return TurnTaken(at=f"2026-11-21T04:00:{step:02}+00:00", step=step, seconds=1, turn=answer, usd=usd)


def _end(usd: float | None) -> Ended:
    usage = Usage(input=250, output=30, estimated=50)
    return Ended(ended="model_error", detail="gone", steps=3, bad_calls=0, usage=usage, usd=usd, seconds=12.5)


def _try(folder: AttemptFolder, *events: TrajectoryEvent) -> None:
    with Trajectory(folder.create().trajectory) as trajectory:
        for event in events:
            trajectory.write(event)


def test_a_verdict_has_the_cost_of_every_try(tmp_path: Path) -> None:
    folder = AttemptFolder(tmp_path / "run" / "001")
    _try(folder, _turn(1, 0.1), _end(0.25))
    start_over(folder)
    _try(folder, _turn(1, 0.125), _turn(2, 0.25))  # killed
    start_over(folder)
    _try(folder, _turn(1, 0.5))
    judged = verdict(cost=Cost(steps=1, tokens=Tokens(input=100, output=10), usd=0.5, seconds=4))
    cost = with_tries(judged, folder).cost
    assert (cost.steps, cost.usd, cost.seconds) == (3 + 2 + 1, 1.0, 12.5 + 1 + 4)
    assert (cost.tokens.input, cost.tokens.output, cost.tokens.estimated) == (250 + 200 + 100, 30 + 20 + 10, 50)
    assert with_tries(judged, AttemptFolder(tmp_path / "run" / "002")) == judged


def test_an_unknown_price_stays_unknown() -> None:
    assert total([Cost(usd=0.5), Cost(usd=None)]).usd is None
    assert total([]).usd == 0


@pytest.mark.parametrize("content", ["", "nonsense\n", '{"event": "turn"'])
def test_a_session_without_a_whole_record_cost_nothing_that_is_known(tmp_path: Path, content: str) -> None:
    path = tmp_path / "trajectory.jsonl"
    path.write_text(content)
    assert session_cost(path) == Cost()
    assert session_cost(tmp_path / "missing.jsonl") == Cost()


def test_a_killed_session_of_an_older_record_has_no_price(tmp_path: Path) -> None:
    _try(AttemptFolder(tmp_path / "001"), _turn(1), _turn(2))
    assert session_cost(tmp_path / "001" / "trajectory.jsonl") == Cost(
        steps=2, tokens=Tokens(input=200, output=20), usd=None, seconds=1
    )
