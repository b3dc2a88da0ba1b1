"""Intervals as bars of text: where their marks fall, and how they fit a terminal."""

from __future__ import annotations

import io

import pytest
from records import HOSTILE, interval
from rich.console import Console

from harness.bars import Scale, WorkloadBars, interval_bar, time_text
from harness.verdict import WorkloadResult


def test_marks_fall_where_the_scale_says() -> None:
    scale = Scale(low=0.5, high=2.0, width=21)
    assert interval_bar(interval(1.0, 0.5, 2.0), scale) == "├─────────●─────────┤"
    assert interval_bar(interval(1.41421356, 1.41421356, 1.41421356), scale) == "          │    ●     "
    assert interval_bar(interval(1.41421356), scale, hollow=True)[15] == "○"


@pytest.mark.parametrize("ends", [(0.0, float("inf")), (float("nan"), float("nan")), (1e-300, 1e300)])
def test_ends_that_are_not_known_stay_on_the_scale(ends: tuple[float, float]) -> None:
    found = interval(1.5, *ends)
    bar = interval_bar(found, Scale.over([found], 20))
    assert len(bar) == 20 and "●" in bar


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    workloads = [
        WorkloadResult(
            name=f"prefill-{n}", held_out=n > 1, base_us=10.0**n, candidate_us=9.0, speedup=interval(n + 0.5)
        )
        for n in range(5)
    ]
    stream = io.StringIO()
    Console(file=stream, width=width).print(WorkloadBars(workloads, interval(2.0), interval(1.0, 0.99, 1.01)))
    lines = stream.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    if width >= 80:  # on less, names fold
        assert "all workloads" in stream.getvalue()
    assert "2.00x [1.90, 2.10]" in stream.getvalue()


def test_a_hostile_name_does_nothing() -> None:
    bad = WorkloadResult(name=HOSTILE, held_out=False, base_us=1, candidate_us=1, speedup=interval(1.0))
    stream = io.StringIO()
    Console(file=stream, width=160).print(WorkloadBars([bad], None, None))
    assert "\x1b" not in stream.getvalue() and "\u202e" not in stream.getvalue()


def test_times_have_three_figures_and_a_unit() -> None:
    assert [time_text(each) for each in (0.5, 21.53, 1268, 3_400_000)] == ["0.5 µs", "21.5 µs", "1.27 ms", "3.4 s"]
