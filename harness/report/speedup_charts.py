"""Intervals drawn: speedup by workload, and the attempts of a run side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.report.chart import BASE, FAILED, PATCH, REFERENCE, STATUS_COLOURS, Chart, Spec, drawn, finite, label
from harness.report.chart import NARROW as PHONE
from harness.report.chart import WIDE as PAGE
from harness.report.chart import ratio_axis as axis_of
from harness.text import interval_text, speedup_text
from harness.verdict import Interval, Verdict

ALL = "all workloads"
MOST_NAMED = 60


def workload_chart(name: str, verdict: Verdict, reference: Verdict | None = None) -> Chart | None:
    """Each workload's speedup with its interval, the whole above them; None where nothing was timed."""
    if verdict.speedup is None or not verdict.workloads:
        return None
    theirs = {each.name: each.speedup for each in reference.workloads} if reference else {}
    rows = [_row(0, ALL, verdict.speedup, "whole", reference.speedup if reference else None)]
    for each in sorted(verdict.workloads, key=lambda item: item.held_out):
        kind = "held out" if each.held_out else "shown"
        rows.append(_row(len(rows), each.name, each.speedup, kind, theirs.get(each.name)))
    noise = verdict.timing.noise.speedup if verdict.timing and verdict.timing.noise else None
    said = "; ".join(f"{row['label']} {row['text']}" for row in rows)
    floor = f"The band at 1x is the base timed against itself (A/A), {interval_text(noise)}: " if noise else ""
    band = f"{floor}what lies in it is noise. " if noise else ""
    marker = "Triangles: the task's reference patch. " if reference else ""
    return drawn(
        f"{name}-workloads",
        "Speedup by workload",
        f"Times as fast as the base, with 95 % intervals. {said}.",
        f"{band}Filled: shown to the agent. Hollow: held out. {marker}Lines are 95 % intervals.",
        lambda wide: _forest(rows, noise, wide=wide),
    )


def _row(place: int, name: str, speedup: Interval, kind: str, theirs: Interval | None) -> dict[str, Any]:
    row = {
        "place": place,
        "label": label(name),
        "kind": kind,
        "e": speedup.estimate,
        "l": finite([speedup.low, speedup.estimate])[0],
        "h": finite([speedup.high, speedup.estimate])[0],
        "text": interval_text(speedup),
        "short": speedup_text(speedup.estimate),
        "said": f"{label(name, 80)} ({kind}): {interval_text(speedup)}",
    }
    if theirs is not None:
        row |= {"r": theirs.estimate, "rsaid": f"{label(name, 80)}, reference patch: {interval_text(theirs)}"}
    return row


def _forest(rows: list[dict[str, Any]], noise: Interval | None, *, wide: bool) -> Spec:
    """Points and lines, one row each. Names stand at the left on a page, and above their line on a phone."""
    step = 26 if wide else 38
    width = PAGE - 390 if wide else PHONE - 24
    spans = [row[key] for row in rows for key in ("l", "h", "r") if key in row]
    scale, axis = axis_of(min(spans), max(spans))
    if not wide:
        axis["values"] = axis["values"][:: 1 + len(axis["values"]) // 6]
    x = {"type": "quantitative", "scale": scale, "axis": axis}
    y = {"field": "place", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0.2}}
    data = {"values": rows}
    marks: Spec = {
        "field": "kind",
        "scale": {"domain": ["whole", "shown", "held out"]},
        "type": "nominal",
        "legend": None,
    }
    layers: list[Spec] = [*_floor(noise, x)]
    layers += [
        {
            "data": data,
            "mark": {"type": "rule", "strokeWidth": 2, "color": PATCH, "strokeCap": "round", "aria": False},
            "encoding": {"y": y, "x": {**x, "field": "l"}, "x2": {"field": "h"}},
        },
        {
            "data": data,
            "mark": {"type": "point", "filled": True, "opacity": 1, "strokeWidth": 2, "color": PATCH},
            "encoding": {
                "y": y,
                "x": {**x, "field": "e"},
                "shape": {**marks, "scale": {**marks["scale"], "range": ["diamond", "circle", "circle"]}},
                "size": {**marks, "scale": {**marks["scale"], "range": [140, 70, 70]}},
                "fill": {**marks, "scale": {**marks["scale"], "range": [PATCH, PATCH, "var(--paper)"]}},
                "stroke": {"value": PATCH},
                "description": {"field": "said"},
            },
        },
        {
            "data": {"values": [row for row in rows if "r" in row]},
            "mark": {
                "type": "point",
                "shape": "triangle-down",
                "filled": True,
                "opacity": 1,
                "size": 50,
                "yOffset": -9,
            },
            "encoding": {
                "y": y,
                "x": {**x, "field": "r"},
                "color": {"value": REFERENCE},
                "description": {"field": "rsaid"},
            },
        },
    ]
    name: Spec = {"type": "text", "align": "right" if wide else "left", "aria": False}
    figures: Spec = {"type": "text", "align": "left" if wide else "right", "aria": False, "color": "var(--soft)"}
    if not wide:
        name["dy"] = figures["dy"] = -15
    weight = {"condition": {"test": "datum.place === 0", "value": 600}, "value": 400}
    named = {"y": y, "x": {"value": -12 if wide else 0}, "text": {"field": "label"}, "fontWeight": weight}
    if not wide:  # lets a name be read where it crosses a line
        halo = {**name, "fontSize": 12.5, "stroke": "var(--paper)", "strokeWidth": 5, "color": "var(--paper)"}
        layers.append({"data": data, "mark": halo, "encoding": named})
    layers += [
        {"data": data, "mark": {**name, "fontSize": 12.5}, "encoding": named},
        {
            "data": data,
            "mark": figures,
            "encoding": {
                "y": y,
                "x": {"value": width + 12 if wide else width},
                "text": {"field": "text" if wide else "short"},
            },
        },
    ]
    return {"width": width, "height": {"step": step}, "layer": layers}


def _floor(noise: Interval | None, x: Spec) -> list[Spec]:
    """The A/A band and the line at 1x."""
    one: Spec = {
        "data": {"values": [{"one": 1}]},
        "mark": {"type": "rule", "color": BASE, "strokeWidth": 1.5, "aria": False},
        "encoding": {"x": {**x, "field": "one"}},
    }
    if noise is None:
        return [one]
    band: Spec = {
        "data": {"values": [{"l": min(noise.low, 1.0), "h": max(noise.high, 1.0)}]},
        "mark": {"type": "rect", "color": BASE, "opacity": 0.22, "aria": False},
        "encoding": {"x": {**x, "field": "l"}, "x2": {"field": "h"}},
    }
    return [band, one]


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
    speedup = verdict.speedup if verdict.status in ("faster", "same", "slower") else None
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
    band = [{**part, "encoding": _turned(part["encoding"])} for part in _floor(noise, y)]
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


def _turned(encoding: Spec) -> Spec:
    """The same marks with what was across going up."""
    return {{"x": "y", "x2": "y2"}[key]: value for key, value in encoding.items()}
