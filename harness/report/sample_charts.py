"""Raw samples drawn: how they are distributed, how the sessions came out in turn, and what the GPU did meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.report.chart import BASE, NARROW, PATCH, WIDE, Chart, Spec, drawn, label, ratio_axis
from harness.selection import overall_values
from harness.text import interval_text, speedup_text
from harness.timing.measurement import Measurement
from harness.verdict import Interval

_POINTS = 72  # of a curve
_MOST_WORKLOADS = 40


def distribution_chart(name: str, measured: Measurement) -> Chart | None:
    """Every pair of samples, base against candidate, a curve for each workload and arm; None without samples."""
    by_workload: dict[str, tuple[list[float], list[float]]] = {}
    for sample in measured.samples:
        if sample.base_us > 0 and sample.candidate_us > 0:
            arms = by_workload.setdefault(sample.workload, ([], []))
            arms[0].append(sample.base_us)
            arms[1].append(sample.candidate_us)
    if not by_workload:
        return None
    ordered = [each.name for each in sorted(measured.workloads, key=lambda each: each.held_out)]
    names = [each for each in ordered if each in by_workload][:_MOST_WORKLOADS]
    curves: list[dict[str, Any]] = []
    medians: list[dict[str, Any]] = []
    for place, workload in enumerate(names):
        base, candidate = by_workload[workload]
        middle = _median(base)
        for arm, values in (("base", base), ("patch", candidate)):
            relative = [value / middle for value in values]
            curves += [{"place": place, "arm": arm, **point} for point in _density(relative, place)]
            text = f"{label(workload, 80)}, {arm}: median {_median(values):,.4g} µs of {len(values)} samples"
            medians.append({"place": place, "arm": arm, "x": _median(relative), "said": text})
    labels = [{"place": place, "label": label(workload)} for place, workload in enumerate(names)]
    count = sum(len(arms[0]) for arms in by_workload.values())
    return drawn(
        f"{name}-samples",
        "Raw samples",
        f"Distribution of {count:,} pairs of samples. {'; '.join(each['said'] for each in medians)}.",
        f"{count:,} pairs of samples from {measured.sessions} sessions, each arm's curve of equal height; "
        "ticks are medians. Time per call, the base's median as 1x: further left is faster.",
        lambda wide: _ridges(curves, medians, labels, wide=wide),
    )


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _density(relative: Sequence[float], place: int) -> list[dict[str, float]]:
    """A Gaussian kernel density of the logarithms (Silverman's bandwidth), its highest point one row high.

    The outermost 1 % at either end are counted at the edge of the curve: one sample in a thousand that a garbage
    collection hit must not set the scale for all others.
    """
    import numpy as np  # noqa: PLC0415 - slow to import

    logs = np.sort(np.log(np.asarray(relative, dtype=float)))
    low, high = np.quantile(logs, [0.01, 0.99])
    logs = np.clip(logs, low, high)
    quartiles = np.quantile(logs, [0.25, 0.75])
    spread = min(float(logs.std()), float(quartiles[1] - quartiles[0]) / 1.34) or float(logs.std())
    width = max(1.06 * spread * len(logs) ** -0.2, 0.004)
    grid = np.linspace(low - 3 * width, high + 3 * width, _POINTS)
    heights = np.exp(-0.5 * ((grid[:, None] - logs[None, :]) / width) ** 2).sum(axis=1)
    heights = heights / heights.max() * 0.85
    return [
        {"x": round(math.exp(at), 5), "top": round(place - float(height), 4)}
        for at, height in zip(grid.tolist(), heights.tolist(), strict=True)
    ]


def _ridges(
    curves: list[dict[str, Any]], medians: list[dict[str, Any]], labels: list[dict[str, Any]], *, wide: bool
) -> Spec:
    step = 30 if wide else 44
    width = WIDE - 240 if wide else NARROW - 24
    if not wide:  # the name stands above its curves, and needs the room
        curves = [{**each, "top": each["place"] - 0.6 * (each["place"] - each["top"])} for each in curves]
    xs = [each["x"] for each in curves]
    scale, axis = ratio_axis(min(xs), max(xs), "time per call, relative to the base's median")
    if not wide:
        axis["values"] = axis["values"][:: 1 + len(axis["values"]) // 6]
    x = {"field": "x", "type": "quantitative", "scale": scale, "axis": axis}
    rows = len(labels)
    y: Spec = {"type": "quantitative", "axis": None, "scale": {"domain": [rows - 0.7, -1], "nice": False}}
    colour = {
        "field": "arm",
        "type": "nominal",
        "scale": {"domain": ["base", "patch"], "range": [BASE, PATCH]},
        "legend": {"title": None, "orient": "top", "symbolType": "square"},
    }
    name: Spec = {"type": "text", "align": "right" if wide else "left", "baseline": "bottom", "aria": False}
    layers: list[Spec] = [
        {
            "data": {"values": labels},
            "mark": {"type": "rule", "color": "var(--line)", "aria": False},
            "encoding": {"y": {**y, "field": "place"}},
        },
        {
            "data": {"values": curves},
            "mark": {"type": "area", "opacity": 0.55, "line": {"strokeWidth": 1.2, "aria": False}, "aria": False},
            "encoding": {
                "x": x,
                "y": {**y, "field": "top"},
                "y2": {"field": "place"},
                "color": colour,
                "detail": {"field": "place"},
            },
        },
        {
            "data": {"values": [{**each, "top": each["place"] - 0.3} for each in medians]},
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {
                "x": x,
                "y": {**y, "field": "place"},
                "y2": {"field": "top"},
                "color": colour,
                "description": {"field": "said"},
            },
        },
        {
            "data": {"values": labels},
            "mark": {**name, "dy": 0 if wide else -int(step * 0.58), "fontSize": 12.5},
            "encoding": {"y": {**y, "field": "place"}, "x": {"value": -12 if wide else 0}, "text": {"field": "label"}},
        },
    ]
    return {"width": width, "height": step * rows + 14, "layer": layers}


def session_chart(name: str, measured: Measurement, speedup: Interval) -> Chart | None:
    """What each session said by itself, in the order they were run; None for fewer than two."""
    try:
        values = [math.exp(value) for value in overall_values(measured.samples)]
    except (ValueError, ArithmeticError):  # sessions of unequal workloads: an interrupted measurement
        return None
    if len(values) < 2:
        return None
    rows = [
        {"x": number, "y": value, "said": f"session {number}: {speedup_text(value)}"}
        for number, value in enumerate(values, start=1)
    ]
    said = ", ".join(speedup_text(value) for value in values)
    return drawn(
        f"{name}-sessions",
        "Sessions, in the order they ran",
        f"Speedup over all workloads in each of {len(rows)} sessions: {said}. Together {interval_text(speedup)}.",
        "Every point is a fresh pair of processes. Line and band: the published estimate and its 95 % interval. "
        "A slope would mean that the machine drifted.",
        lambda wide: _dots(rows, speedup, wide=wide),
    )


def _dots(rows: list[dict[str, Any]], speedup: Interval, *, wide: bool) -> Spec:
    values = [row["y"] for row in rows]
    low, high = min(*values, speedup.low), max(*values, speedup.high)
    room = (high - low) * 0.15 or 0.01
    y: Spec = {
        "type": "quantitative",
        "scale": {"domain": [max(low - room, 0.0), high + room], "nice": True, "zero": False},
        "axis": {"title": "times as fast", "labelExpr": "format(datum.value, '~r') + 'x'", "tickCount": 5},
    }
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "scale": {"domain": [0.5, len(rows) + 0.5], "nice": False},
        "axis": {"title": "session", "tickMinStep": 1, "format": "d", "grid": False},
    }
    band = {"data": {"values": [{"l": speedup.low, "e": speedup.estimate, "h": speedup.high}]}}
    return {
        "width": (WIDE if wide else NARROW) - 80,
        "height": 150,
        "layer": [
            {
                **band,
                "mark": {"type": "rect", "color": PATCH, "opacity": 0.15, "aria": False},
                "encoding": {"y": {**y, "field": "l"}, "y2": {"field": "h"}},
            },
            {
                **band,
                "mark": {"type": "rule", "color": PATCH, "opacity": 0.7, "aria": False},
                "encoding": {"y": {**y, "field": "e"}},
            },
            {
                "data": {"values": rows},
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, "color": PATCH},
                "encoding": {"x": x, "y": {**y, "field": "y"}, "description": {"field": "said"}},
            },
        ],
    }


def clock_charts(name: str, measured: Measurement) -> list[Chart]:
    """A GPU's clock and temperature while it was measured, block after block; none on a CPU, where none is recorded."""
    gpu = measured.gpu
    if gpu is None or len(gpu.blocks) < 2:
        return []
    clocks: list[dict[str, Any]] = []
    heat: list[dict[str, Any]] = []
    for number, block in enumerate(gpu.blocks, start=1):
        where = f"session {block.session + 1}, {label(block.workload, 60)}"
        for arm, mhz in (("base", block.base_mhz), ("patch", block.candidate_mhz)):
            clocks.append({"x": number, "y": mhz, "arm": arm, "said": f"{where}, {arm}: {mhz:.0f} MHz"})
        heat.append({"x": number, "y": block.temperature_c, "said": f"{where}: {block.temperature_c} °C"})
    voided = f" {gpu.voided} blocks were voided and taken anew." if gpu.voided else ""
    lowest, highest = min(row["y"] for row in clocks), max(row["y"] for row in clocks)
    warmest = max(row["y"] for row in heat)
    return [
        drawn(
            f"{name}-clock",
            "SM clock while timing",
            f"Clock of {label(gpu.name)} over {len(gpu.blocks)} blocks: {lowest:.0f} to {highest:.0f} MHz.{voided}",
            f"Median clock after each arm's samples, block by block. Both arms should run at one clock.{voided}",
            lambda wide: _series(clocks, "MHz", wide=wide, arms=True),
        ),
        drawn(
            f"{name}-temperature",
            "Temperature while timing",
            f"Highest temperature of {label(gpu.name)} in each block; {warmest} °C at most.",
            "Highest reading in each block.",
            lambda wide: _series(heat, "°C", wide=wide, arms=False),
        ),
    ]


def _series(rows: list[dict[str, Any]], unit: str, *, wide: bool, arms: bool) -> Spec:
    encoding: Spec = {
        "x": {"field": "x", "type": "quantitative", "axis": {"title": "block", "grid": False, "format": "d"}},
        "y": {"field": "y", "type": "quantitative", "axis": {"title": unit, "tickCount": 5}, "scale": {"zero": False}},
    }
    if arms:
        encoding["color"] = {
            "field": "arm",
            "type": "nominal",
            "scale": {"domain": ["base", "patch"], "range": [BASE, PATCH]},
            "legend": {"title": None, "orient": "top"},
        }
    else:
        encoding["color"] = {"value": "var(--warm)"}
    return {
        "width": (WIDE if wide else NARROW) - 84,
        "height": 140,
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 1.6, "aria": False},
        "encoding": encoding,
    }
