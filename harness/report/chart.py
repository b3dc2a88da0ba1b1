"""A drawn chart: one picture for wide pages, one for phones, and a sentence for who sees neither."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.svg import draw
from harness.text import printable, shortened

WIDE, NARROW = 860, 320
Spec = dict[str, Any]

BASE, PATCH, REFERENCE = "var(--base)", "var(--patch)", "var(--reference)"
STATUS_COLOURS = {
    "faster": "var(--good)",
    "same": "var(--soft)",
    "slower": "var(--bad)",
}
FAILED = "var(--bad)"


@dataclass(frozen=True)
class Chart:
    """Two pictures of one thing.

    Attributes:
        name: a word that no other chart of the page has; part of ids.
        title: above it.
        description: what it shows, for those who cannot see it.
        note: beneath it: how to read it.
        wide: SVG for pages.
        narrow: SVG for phones.
    """

    name: str
    title: str
    description: str
    note: str
    wide: str
    narrow: str


def drawn(name: str, title: str, description: str, note: str, spec: Callable[[bool], Spec]) -> Chart:
    """Draw both pictures; `spec` is asked for one that is wide (True) and one that is narrow."""
    return Chart(name, title, description, note, draw(spec(True)), draw(spec(False)))


def label(text: str, width: int = 34) -> str:
    """A name as a chart has room for it."""
    return shortened(printable(text), width)


def ratio_axis(low: float, high: float, title: str | None = "times as fast as the base") -> tuple[Spec, Spec]:
    """Scale and axis for ratios of times: logarithmic, round numbers, 1x always in view."""
    low, high = min(low, 1.0), max(high, 1.0)
    room = max(math.log(high / low) * 0.04, 0.004)
    low, high = low * math.exp(-room), high * math.exp(room)
    ticks = round_ratios(low, high)
    axis: Spec = {
        "values": ticks,
        "title": title,
        "labelExpr": "format(datum.value, '~r') + 'x'",
        "tickSize": 4,
        "labelOverlap": True,
    }
    return {"type": "log", "domain": [low, high], "nice": False}, axis


def round_ratios(low: float, high: float, most: int = 9) -> list[float]:
    """Ratios between `low` and `high` that people count in: 1, 2, 5 and tens of them, or hundredths near 1."""
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1, 3), (1,)):
        found = [
            round(step * 10**power, 9)
            for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
            for step in steps
            if low <= step * 10**power <= high
        ]
        if len(found) <= most:
            break
    if len(found) >= 3:
        return found
    for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first + 1 <= most:
            return [round(number * step, 6) for number in range(first, last + 1)]
    return found


def share_axis(title: str) -> Spec:
    """An axis of shares, 0 to 100 %."""
    return {"title": title, "format": ".0%", "values": [0, 0.25, 0.5, 0.75, 1], "tickSize": 4}


def finite(values: Sequence[float]) -> list[float]:
    """Those of the values that can be drawn on a logarithmic axis."""
    return [value for value in values if math.isfinite(value) and value > 0]
