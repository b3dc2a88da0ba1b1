"""Speedup by workload, drawn with its intervals against the base."""

from __future__ import annotations

from typing import Any

from harness.intervals import geometric_mean
from harness.report.chart import BASE, PATCH, REFERENCE, Chart, Spec, drawn, finite, label
from harness.report.chart import NARROW as PHONE
from harness.report.chart import WIDE as PAGE
from harness.report.chart import ratio_axis as axis_of
from harness.text import interval_text, speedup_text
from harness.verdict import Interval, Verdict

ALL = "all workloads"
_FAR = 4.0  # a roofline further off than this is told in words


def workload_chart(name: str, verdict: Verdict, reference: Verdict | None = None) -> Chart | None:
    """Each workload's speedup with its interval, the whole above them; None where nothing was timed."""
    if verdict.published is None or not verdict.workloads:
        return None
    theirs = {each.name: each.speedup for each in reference.workloads} if reference else {}
    rows = [_row(0, ALL, verdict.published, "whole", reference.speedup if reference else None)]
    for each in sorted(verdict.workloads, key=lambda item: item.held_out):
        kind = "held out" if each.held_out else "shown"
        rows.append(_row(len(rows), each.name, each.speedup, kind, theirs.get(each.name)))
    noise = verdict.timing.noise.speedup if verdict.timing and verdict.timing.noise else None
    roofs = roofline(verdict)
    for row in rows:
        row["f"] = roofs.get(row["name"])
    said = "; ".join(f"{row['label']} {row['text']}" for row in rows)
    floor = f"The band at 1x is the base timed against itself (A/A), {interval_text(noise)}: " if noise else ""
    band = f"{floor}what lies in it is noise. " if noise else ""
    marker = "Triangles: the task's reference patch. " if reference else ""
    return drawn(
        f"{name}-workloads",
        "Speedup by workload",
        f"Times as fast as the base, with 95 % intervals. {said}.",
        f"{band}Filled: shown to the agent. Hollow: held out. {marker}Lines are 95 % intervals.{_roof_note(rows)}",
        lambda wide: _forest(rows, noise, wide=wide),
    )


def roofline(verdict: Verdict) -> dict[str, float]:
    """How many times as fast as the base each workload could be at most, by the bytes it cannot do without."""
    found = {each.name: each.base_us / each.floor_us for each in verdict.workloads if each.floor_us}
    mean = geometric_mean(list(found.values()))
    return {**found, ALL: mean} if mean is not None and len(found) == len(verdict.workloads) else found


def _in_reach(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
    """Rows whose roofline the axis can hold without squeezing all else, and the rooflines of the others."""
    reach = _FAR * max(row[key] for row in rows for key in ("h", "r") if key in row)
    near = [row for row in rows if row.get("f") and row["f"] <= reach]
    return near, [row["f"] for row in rows if row.get("f") and row["f"] > reach and row["name"] != ALL]


def _roof_note(rows: list[dict[str, Any]]) -> str:
    near, far = _in_reach(rows)
    if not near and not far:
        return ""
    where = " Ticks: the roofline" if near else " The roofline"
    beyond = (
        f"{speedup_text(min(far))} to {speedup_text(max(far))}" if len(far) > 1 else "".join(map(speedup_text, far))
    )
    away = (
        f"{', and' if near else ' is'} beyond this axis for {len(far)} workload{'s' * (len(far) > 1)}, at {beyond}"
        if far
        else ""
    )
    return f"{where}{away}: the bytes a workload cannot do without, over the device's datasheet bandwidth."


def _row(place: int, name: str, speedup: Interval, kind: str, theirs: Interval | None) -> dict[str, Any]:
    row = {
        "place": place,
        "name": name,
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
    roofs = _in_reach(rows)[0]
    spans = [row[key] for row in rows for key in ("l", "h", "r") if key in row] + [row["f"] for row in roofs]
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
                "shape": "triangle-down" if wide else "triangle-up",
                "filled": True,
                "opacity": 1,
                "size": 50,
                "yOffset": -9 if wide else 10,  # above the line a phone has the name
            },
            "encoding": {
                "y": y,
                "x": {**x, "field": "r"},
                "color": {"value": REFERENCE},
                "description": {"field": "rsaid"},
            },
        },
    ]
    if roofs:
        for row in roofs:
            row["fsaid"] = f"{label(row['name'], 80)}, roofline: {speedup_text(row['f'])}"
        tick = {"type": "tick", "thickness": 3, "size": 16, "color": "var(--warm)", "orient": "vertical", "opacity": 1}
        where = {"y": y, "x": {**x, "field": "f"}, "description": {"field": "fsaid"}}
        layers.append({"data": {"values": roofs}, "mark": tick, "encoding": where})
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
