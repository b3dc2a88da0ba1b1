"""What folding a run's events gives."""

from __future__ import annotations

from records import AT, story, verdict

from harness.events import AttemptStarted, RunFinished
from harness.run_state import AttemptState, fold


def test_the_fold_says_where_a_run_stands() -> None:
    events = story(verdict())
    whole = fold(events)
    assert whole.finished and not whole.interrupted
    assert whole.started is not None and whole.admitted is not None
    assert whole.attempts == {"001": AttemptState(phase="timing", steps=2, verdict=verdict())}
    halfway = fold(events[:8])
    assert not halfway.finished
    assert halfway.attempts == {"001": AttemptState(phase="agent", steps=1)}
    assert halfway.verdicts == []


def test_a_resumed_run_is_not_finished_and_a_restarted_attempt_starts_over() -> None:
    end = RunFinished(at=AT, run="r", attempts=[], interrupted=True)
    assert fold([*story(verdict())[:8], end]).interrupted
    resumed = fold([*story(verdict())[:8], end, AttemptStarted(at=AT, attempt="001")])
    assert not resumed.finished and not resumed.interrupted
    assert resumed.attempts["001"] == AttemptState()
