"""The attempts of a run side by side, drawn: the best first, what earned nothing at 1x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.report.chart import FAILED, PATCH, STATUS_COLOURS, Chart, Spec, drawn, finite, label
from harness.report.chart import NARROW as PHONE
from harness.report.chart import WIDE as PAGE
from harness.report.chart import ratio_axis as axis_of
from harness.report.speedup_charts import floor, upright
from harness.text import interval_text
from harness.verdict import Interval, Verdict

MOST_NAMED = 60


def attempts_chart(verdicts: Sequence[Verdict], noise: Interval | None) -> Chart | None:
    """All attempts of a run, the best first; what earned nothing stands at 1x. None for fewer than two."""
    kept = [each for each in verdicts if each.counted_speedup is not None]
    if len(kept) < 2:
        return None
    ordered = sorted(kept, key=lambda each: (-(each.counted_speedup or 0.0), str(each.attempt)))
    rows = [_attempt_row(place, each) for place, each in enumerate(ordered)]
    faster = sum(each.status == "faster" for each in kept)
    best, worst = rows[0], rows[-1]
    said = f"{len(rows)} attempts, {faster} faster than the base. Highest: {best['said']}. Lowest: {worst['said']}."
    many = len(rows) > MOST_NAMED
    note = f"{'Red' if many else 'Crosses'}: attempts that earned nothing, and count as 1x. "
    if noise:
        note += "The band around 1x is the base against itself. "
    return drawn(
        "attempts",
        "Attempts, best first",
        said,
        note + ("The coloured band holds their 95 % intervals." if many else "Lines are 95 % intervals."),
        lambda wide: _waterfall(rows, noise, wide=wide, many=many),
    )


def _attempt_row(place: int, verdict: Verdict) -> dict[str, Any]:
    speedup = verdict.published if verdict.status in ("faster", "same", "slower") else None
    estimate = verdict.counted_speedup or 1.0
    status = verdict.status.replace("_", " ")
    return {
        "place": place,
        "label": label(str(verdict.attempt), 12),
        "status": status,
        "colour": STATUS_COLOURS.get(verdict.status, FAILED),
        "earned": speedup is not None,
        "e": estimate,
        "l": finite([speedup.low, estimate])[0] if speedup else estimate,
        "h": finite([speedup.high, estimate])[0] if speedup else estimate,
        "said": f"{label(str(verdict.attempt))} {status}{f' {interval_text(speedup)}' if speedup else ''}",
    }


def _waterfall(rows: list[dict[str, Any]], noise: Interval | None, *, wide: bool, many: bool) -> Spec:
    scale, axis = axis_of(min(row["l"] for row in rows), max(row["h"] for row in rows))
    y = {"type": "quantitative", "scale": scale, "axis": {**axis, "grid": True}}
    width = (PAGE if wide else PHONE) - 64
    data = {"values": rows}
    if many:
        x: Spec = {"field": "place", "type": "quantitative", "axis": {"title": "attempts, best first", "grid": False}}
        x["scale"] = {"domain": [0, len(rows) - 1], "nice": False}
    else:
        named = {"title": None, "labelExpr": "split(datum.label, '|')[1]", "labelAngle": -90, "labelOverlap": True}
        for row in rows:
            row["key"] = f"{row['place']:04}|{row['label']}"
        x = {"field": "key", "type": "ordinal", "sort": None, "axis": {**named, "grid": False}}
    band = [{**part, "encoding": upright(part["encoding"])} for part in floor(noise, y)]
    estimate = {"x": x, "y": {**y, "field": "e"}}
    crosses: Spec = {
        "transform": [{"filter": "!datum.earned"}],
        "data": data,
        "mark": {"type": "point", "shape": "cross", "filled": False, "strokeWidth": 1.5, "angle": 45, "opacity": 1},
        "encoding": {**estimate, "color": {"value": FAILED}, "size": {"value": 8 if many else 50}},
    }
    if many:
        crosses["mark"]["aria"] = False
        spread: Spec = {"type": "area", "color": PATCH, "opacity": 0.25, "aria": False, "interpolate": "step"}
        line: Spec = {"type": "line", "color": PATCH, "strokeWidth": 2, "aria": False, "interpolate": "step"}
        body = [
            {
                "data": data,
                "mark": spread,
                "encoding": {"x": x, "y": {**y, "field": "l"}, "y2": {"field": "h"}},
            },
            {"data": data, "mark": line, "encoding": estimate},
        ]
        return {"width": width, "height": 260, "layer": [*band, *body, crosses]}
    crosses["encoding"]["description"] = {"field": "said"}
    colour = {"field": "colour", "type": "nominal", "scale": None}
    lines: Spec = {
        "data": data,
        "mark": {"type": "rule", "strokeWidth": 2, "aria": False},
        "encoding": {"x": x, "y": {**y, "field": "l"}, "y2": {"field": "h"}, "color": colour},
    }
    points: Spec = {
        "transform": [{"filter": "datum.earned"}],
        "data": data,
        "mark": {"type": "point", "filled": True, "opacity": 1, "size": 60},
        "encoding": {**estimate, "color": colour, "description": {"field": "said"}},
    }
    return {"width": width, "height": 260, "layer": [*band, lines, points, crosses]}
