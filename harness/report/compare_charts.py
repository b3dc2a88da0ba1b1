"""Two attempts, or two runs, in one picture."""

from __future__ import annotations

from typing import Any

from harness.compare import AttemptComparison
from harness.compare_runs import RunComparison, RunVerdicts
from harness.leaderboard import leaderboard
from harness.report.board_page import fast_chart
from harness.report.chart import NARROW, PATCH, WIDE, Chart, Spec, drawn, finite, label, ratio_axis
from harness.report.speedup_charts import ALL, floor
from harness.text import interval_text
from harness.verdict import Interval

_FIRST, _SECOND = PATCH, "var(--warm)"  # as the first two curves of a board
_APART = 7  # pixels between the two of a workload


def workloads_chart(found: AttemptComparison) -> Chart | None:
    """Each workload's speedup in both attempts; None where they were not timed on the same."""
    if not found.workloads or found.first.speedup is None or found.second.speedup is None:
        return None
    rows = _rows(0, ALL, found.first.speedup, found.second.speedup, found.ratio)
    for place, each in enumerate(found.workloads, start=1):
        rows += _rows(place, each.name, each.first, each.second, each.ratio)
    said = "; ".join(row["said"] for row in rows)
    timing = found.first.timing
    noise = timing.noise.speedup if timing and timing.noise else None
    band = "The band at 1x is the base timed against itself when A was judged. " if noise else ""
    return drawn(
        "compare-workloads",
        "Speedup over the base",
        f"Times as fast as the base, with 95 % intervals. {said}.",
        f"Squares above: A. Circles beneath: B. {band}At the right: B over A.",
        lambda wide: _pairs(rows, noise, wide=wide),
    )


def _rows(place: int, name: str, first: Interval, second: Interval, ratio: Interval | None) -> list[dict[str, Any]]:
    return [
        {
            "place": place,
            "side": side,
            "label": label(name),
            "e": speedup.estimate,
            "l": finite([speedup.low, speedup.estimate])[0],
            "h": finite([speedup.high, speedup.estimate])[0],
            "ratio": interval_text(ratio) if ratio else "",
            "said": f"{label(name, 80)}, {side}: {interval_text(speedup)}",
        }
        for side, speedup in (("A", first), ("B", second))
    ]


def _pairs(rows: list[dict[str, Any]], noise: Interval | None, *, wide: bool) -> Spec:
    width = WIDE - 390 if wide else NARROW - 24
    scale, axis = ratio_axis(min(row["l"] for row in rows), max(row["h"] for row in rows))
    if not wide:
        axis["values"] = axis["values"][:: 1 + len(axis["values"]) // 6]
    x = {"type": "quantitative", "scale": scale, "axis": axis}
    y = {"field": "place", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0.2}}
    layers: list[Spec] = [*floor(noise, x)]
    for side, colour, shape, shift in (("A", _FIRST, "square", -_APART), ("B", _SECOND, "circle", _APART)):
        data = {"values": [row for row in rows if row["side"] == side]}
        line = {"type": "rule", "strokeWidth": 2, "color": colour, "strokeCap": "round", "aria": False}
        point = {"type": "point", "filled": True, "opacity": 1, "size": 60, "shape": shape, "color": colour}
        layers += [
            {
                "data": data,
                "mark": {**line, "yOffset": shift},
                "encoding": {"y": y, "x": {**x, "field": "l"}, "x2": {"field": "h"}},
            },
            {
                "data": data,
                "mark": {**point, "yOffset": shift},
                "encoding": {"y": y, "x": {**x, "field": "e"}, "description": {"field": "said"}},
            },
        ]
    once = {"values": [row for row in rows if row["side"] == "A"]}
    name: Spec = {"type": "text", "align": "right" if wide else "left", "aria": False, "fontSize": 12.5}
    figures: Spec = {"type": "text", "align": "left" if wide else "right", "aria": False, "color": "var(--soft)"}
    if not wide:
        name["dy"] = figures["dy"] = -24
    places = (-12, width + 12) if wide else (0, width)
    weight = {"condition": {"test": "datum.place === 0", "value": 600}, "value": 400}
    layers += [
        {
            "data": once,
            "mark": name,
            "encoding": {"y": y, "x": {"value": places[0]}, "text": {"field": "label"}, "fontWeight": weight},
        },
        {
            "data": once,
            "mark": figures,
            "encoding": {"y": y, "x": {"value": places[1]}, "text": {"field": "ratio"}},
        },
    ]
    return {"width": width, "height": {"step": 36 if wide else 60}, "layer": layers}


def runs_chart(first: RunVerdicts, second: RunVerdicts, found: RunComparison) -> Chart | None:
    """How many attempts of either run are faster by how much; None where their devices differ."""
    if found.first.devices != found.second.devices:
        return None
    named = [
        verdict.model_copy(update={"agent": f"{side}: {run.run}", "model": None})
        for side, run in (("A", first), ("B", second))
        for verdict in run.judged
    ]
    boards = leaderboard(named, by="agent", mix=True)
    return fast_chart(boards[0], "compare-fast") if boards else None
