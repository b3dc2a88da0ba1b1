"""The known effect: what counts as missed, and bases on which it cannot come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_task import TinyTask

from harness.admission import admit
from harness.errors import AdmissionError
from harness.events import AdmissionStep, Event
from harness.known_effect import what_is_missed
from harness.source import seal
from harness.task_file import load_task
from harness.verdict import Interval


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.48, 0.52, None),
        (0.30, 0.99, None),
        (1.9, 2.1, "swapped"),
        (0.98, 1.02, "not seen at all"),
        (0.90, 0.95, "off by more than 25%"),
        (0.64, 0.70, "off by more than 25%"),
        (0.10, 0.20, "off by more than 25%"),
    ],
)
def test_what_counts_as_missed(low: float, high: float, words: str | None) -> None:
    missed = what_is_missed(Interval(estimate=(low + high) / 2, low=low, high=high))
    assert (missed is None) if words is None else (missed is not None and words in missed)


def steps_of(tiny: TinyTask, tmp_path: Path) -> list[AdmissionStep]:
    loaded = load_task(str(tiny.file))
    events: list[Event] = []
    admit(loaded, seal(loaded, tmp_path / "judge.git"), tmp_path / "base", tmp_path / "scratch", 1, events.append)
    return [e for e in events if isinstance(e, AdmissionStep) and e.step == "known_effect"]


def test_a_call_made_twice_comes_back_as_half_the_speed(tiny: TinyTask, tmp_path: Path) -> None:
    steps = steps_of(tiny, tmp_path)
    assert [step.state for step in steps if step.progress is None] == ["started", "passed"]
    assert any(step.progress is not None for step in steps)
    assert "0.50x expected" in steps[-1].detail


def test_a_base_that_remembers_its_last_arguments_is_refused(tiny: TinyTask, tmp_path: Path) -> None:
    """As a dead clock would be: twice the work takes no more time."""
    memory = "LAST = []\n\n\ndef total(values):\n    if LAST and LAST[0] is values:\n        return LAST[1]\n"
    text = tiny.core.read_text().replace("    return result\n", "    LAST[:] = [values, result]\n    return result\n")
    tiny.core.write_text(text.replace("def total(values):\n", memory))
    with pytest.raises(AdmissionError, match="known effect did not come back") as error:
        steps_of(tiny, tmp_path)
    assert "remembers its last arguments" in str(error.value)


def test_a_call_that_uses_its_inputs_up_is_left_out(tiny: TinyTask, tmp_path: Path) -> None:
    text = tiny.core.read_text()
    tiny.core.write_text(text.replace("    return result\n", "    values.clear()\n    return result\n"))
    assert steps_of(tiny, tmp_path)[-1].detail.startswith("left out")
