"""Speedup by workload, drawn with its intervals against the base."""

from __future__ import annotations

from typing import Any

from harness.report.chart import BASE, PATCH, REFERENCE, Chart, Spec, drawn, finite, label
from harness.report.chart import NARROW as PHONE
from harness.report.chart import WIDE as PAGE
from harness.report.chart import ratio_axis as axis_of
from harness.text import interval_text, speedup_text
from harness.verdict import Interval, Verdict

ALL = "all workloads"


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
    layers: list[Spec] = [*floor(noise, x)]
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


def floor(noise: Interval | None, x: Spec) -> list[Spec]:
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


def upright(encoding: Spec) -> Spec:
    """The encoding of the same marks with what was across going up."""
    return {{"x": "y", "x2": "y2"}[key]: value for key, value in encoding.items()}
