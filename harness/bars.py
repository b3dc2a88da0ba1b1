"""Intervals as small bars of text, for terminals: all on one logarithmic scale, the base's 1x marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.printing import plain_table
from harness.text import interval_text, safe, speedup_text
from harness.verdict import Interval, WorkloadResult

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_LEAST_WIDTH, _MOST_WIDTH = 9, 48
_LEAST, _MOST = 1e-6, 1e6  # beyond, a ratio is no measurement
_OTHER_COLUMNS = 40  # what the table needs beside names and bars


@dataclass(frozen=True)
class Scale:
    """A logarithmic scale over `width` characters that holds 1x and all of some intervals."""

    low: float
    high: float
    width: int

    @classmethod
    def over(cls, intervals: Sequence[Interval], width: int) -> Scale:
        """The scale that just holds these intervals. Ends that no measurement can have are left out."""
        ends = [end for each in intervals for end in (each.low, each.estimate, each.high)]
        known = [end for end in ends if _LEAST <= end <= _MOST]
        low, high = min([1.0, *known]), max([1.0, *known])
        room = max(math.log(high / low) * 0.02, 0.005)
        return cls(low * math.exp(-room), high * math.exp(room), width)

    def place(self, ratio: float) -> int:
        """The character, from 0, that a ratio falls on; the nearest one for what lies outside."""
        if not ratio > 0:
            return 0
        share = math.log(min(ratio, self.high) / self.low) / math.log(self.high / self.low)
        return min(self.width - 1, max(0, round(share * (self.width - 1))))


def interval_bar(interval: Interval, scale: Scale, *, hollow: bool = False) -> str:
    """`│  ├──●─┤ `: the interval with its estimate on the scale, 1x as a bar where nothing covers it."""
    marks = [" "] * scale.width
    marks[scale.place(1.0)] = "│"
    low, middle, high = (scale.place(end) for end in (interval.low, interval.estimate, interval.high))
    for place in range(low, high + 1):
        marks[place] = "─"
    if low < middle:
        marks[low] = "├"
    if high > middle:
        marks[high] = "┤"
    marks[middle] = "○" if hollow else "●"
    return "".join(marks)


@dataclass(frozen=True)
class WorkloadBars:
    """Workloads with their times, bars and ratios, as wide as the terminal allows."""

    workloads: Sequence[WorkloadResult]
    overall: Interval | None
    noise: Interval | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        names = max([len("all workloads"), *(len(each.name) for each in self.workloads)])
        free = options.max_width - _OTHER_COLUMNS - min(names, 32)
        width = min(_MOST_WIDTH, max(_LEAST_WIDTH, free))
        found = [each.speedup for each in self.workloads]
        scale = Scale.over([*found, *([self.overall] if self.overall else [])], width)
        table = plain_table()
        table.add_column("workload", overflow="fold")
        table.add_column("base", justify="right", no_wrap=True)
        table.add_column("patch", justify="right", no_wrap=True)
        table.add_column(_ruler(scale), no_wrap=True)
        table.add_column("speedup [95 %]", justify="right", no_wrap=True)
        if self.overall:
            bar, text = interval_bar(self.overall, scale), interval_text(self.overall)
            style = _style(self.overall, self.noise)
            table.add_row(safe("all workloads", "bold"), "", "", safe(bar, style), safe(text, f"bold {style}"))
        for each in self.workloads:
            style = _style(each.speedup, self.noise)
            table.add_row(
                safe(each.name),
                time_text(each.base_us),
                time_text(each.candidate_us),
                safe(interval_bar(each.speedup, scale, hollow=each.held_out), style),
                safe(interval_text(each.speedup), style),
            )
        yield table
        held_out = "○ held out from the agent" if any(each.held_out for each in self.workloads) else ""
        band = f"base against itself {interval_text(self.noise)}" if self.noise else ""
        yield safe("; ".join(filter(None, ["│ is 1x, the base", held_out, band])), "dim")


def _ruler(scale: Scale) -> str:
    """The scale's ends above the bars."""
    left, right = ("1x", "") if scale.width < 14 else (speedup_text(scale.low), speedup_text(scale.high))
    return f"{left}{' ' * max(1, scale.width - len(left) - len(right))}{right}"


def _style(interval: Interval, noise: Interval | None) -> str:
    """Green or red where the interval leaves the base, and its noise, behind."""
    floor, ceiling = (min(noise.low, 1.0), max(noise.high, 1.0)) if noise else (1.0, 1.0)
    return "green" if interval.low > ceiling else "red" if interval.high < floor else ""


def time_text(microseconds: float) -> str:
    """A time in at most seven characters: `21.5 µs`, `1.27 ms`, `3.4 s`."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return (
                f"{microseconds / size:.3g} {unit}"
                if microseconds / size < 1000
                else f"{microseconds / size:,.0f} {unit}"
            )
    return f"{microseconds:.3g} µs"
