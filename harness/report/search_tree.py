"""The search tree of a run: which attempt went on from which, and what became of it.

Drawn as it happened: attempts from left to right in the order of their briefs, as high as they are fast, a line from
each to the one whose patch it began with and thinner ones to others that it was shown. The same stands in a table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.events import AttemptBriefed
from harness.report.chart import FAILED, NARROW, PATCH, STATUS_COLOURS, WIDE, Chart, Spec, drawn, label, ratio_axis
from harness.report.facts import STATUS_WORDS
from harness.report.material import AttemptMaterial, RunMaterial
from harness.report.speedup_charts import floor, upright
from harness.text import interval_text
from harness.verdict import Interval

MOST_NAMED = 30
_MOST_SAID = 60  # of more, the marks have no words of their own: the table has


@dataclass(frozen=True)
class Node:
    """One attempt of the search.

    Attributes:
        name: the attempt's.
        kind: `fresh`, `refine`, `crossover`, as the strategy calls it.
        start_from: the attempt whose patch its worktree began with; None for the base.
        shown: other attempts whose work it was shown.
        island: of a strategy with islands.
        hints: how many hints of people's it was given.
        status: its verdict's, or `running`; `waiting` where it has only its brief.
        speedup: what is published of it; None where nothing counts.
        leads_to_best: whether the best attempt of the run descends from it, or is it.
    """

    name: str
    kind: str
    start_from: str | None
    shown: list[str]
    island: int | None
    hints: int
    status: str
    speedup: Interval | None
    leads_to_best: bool = False


@dataclass(frozen=True)
class SearchTree:
    """A run's search: its strategy's name, its attempts in order, and the picture (None for too few with a verdict)."""

    strategy: str
    nodes: list[Node]
    chart: Chart | None
    islands: bool


def search_tree(run: RunMaterial) -> SearchTree | None:
    """The search of a run; None where every attempt began from nothing."""
    briefs = run.state.briefs
    if not any(_is_search(brief) for brief in briefs.values()):
        return None
    made = {attempt.name: attempt for attempt in run.attempts}
    best = run.best.name if run.best and run.best.status == "faster" else None
    line = _ancestors(briefs, best)
    nodes = [_node(brief, made.get(name), leads_to_best=name in line) for name, brief in briefs.items()]
    noise = run.state.admitted.noise.speedup if run.state.admitted else None
    return SearchTree(
        strategy=next(iter(briefs.values())).strategy,
        nodes=nodes,
        chart=_chart(nodes, best, noise),
        islands=any(node.island is not None for node in nodes),
    )


def _is_search(brief: AttemptBriefed) -> bool:
    return bool(brief.parents or brief.start_from or brief.island is not None)


def _ancestors(briefs: dict[str, AttemptBriefed], name: str | None) -> set[str]:
    """An attempt and those whose patches its own stands on; a record that names itself in a circle ends it."""
    line: set[str] = set()
    while name is not None and name not in line:
        line.add(name)
        name = briefs[name].start_from if name in briefs else None
    return line


def _node(brief: AttemptBriefed, attempt: AttemptMaterial | None, *, leads_to_best: bool) -> Node:
    verdict = attempt.verdict if attempt else None
    timed = verdict is not None and verdict.status in ("faster", "same", "slower")
    return Node(
        name=brief.attempt,
        kind=brief.kind,
        start_from=brief.start_from,
        shown=[name for name in brief.parents if name != brief.start_from],
        island=brief.island,
        hints=len(brief.hints),
        status=attempt.status if attempt else "waiting",
        speedup=verdict.published if verdict and timed else None,
        leads_to_best=leads_to_best,
    )


def _chart(nodes: list[Node], best: str | None, noise: Interval | None) -> Chart | None:
    judged = [node for node in nodes if node.status not in ("running", "waiting", "infra_failed")]
    if len(judged) < 2:
        return None
    place = {node.name: number for number, node in enumerate(nodes, start=1)}
    height = {node.name: node.speedup.estimate if node.speedup else 1.0 for node in judged}
    points = [_point(node, place[node.name], height[node.name]) for node in judged]
    edges = [
        {
            "x": place[parent],
            "y": height[parent],
            "x2": place[node.name],
            "y2": height[node.name],
            "kind": "best" if began and node.leads_to_best else "began" if began else "shown",
        }
        for node in judged
        for parent, began in _parents(node)
        if parent in height
    ]
    found = next((node.speedup for node in judged if node.name == best and node.speedup), None)
    line = [label(node.name) for node in judged if node.leads_to_best]
    said = (
        f"{len(judged)} attempts, {sum(edge['kind'] != 'shown' for edge in edges)} of which began with another's patch."
    )
    if best is not None and found is not None:
        said += f" The best, {label(best)}: {interval_text(found)}; its line: {', '.join(line)}."
    return drawn(
        "search",
        "The search",
        said,
        "From left to right as they were begun. A line leads to each attempt from the one whose patch it began with, "
        "the thick one to the best; thin dashes, from others it was shown. Crosses earned nothing, and count as 1x.",
        lambda wide: _tree(points, edges, len(nodes), noise, wide=wide),
    )


def _parents(node: Node) -> Iterable[tuple[str, bool]]:
    if node.start_from is not None:
        yield node.start_from, True
    for name in node.shown:
        yield name, False


def _point(node: Node, place: int, height: float) -> dict[str, Any]:
    status = STATUS_WORDS.get(node.status, node.status)
    whence = f" of {node.start_from}" if node.start_from else ""
    came_to = f", {interval_text(node.speedup)}" if node.speedup else ""
    return {
        "x": place,
        "y": height,
        "label": label(node.name, 8),
        "earned": node.speedup is not None,
        "colour": STATUS_COLOURS.get(node.status, FAILED),
        "said": label(f"{node.name}: {node.kind}{whence}, {status}{came_to}", 120),
    }


def _tree(
    points: list[dict[str, Any]], edges: list[dict[str, Any]], last: int, noise: Interval | None, *, wide: bool
) -> Spec:
    heights = [point["y"] for point in points]
    scale, axis = ratio_axis(min(heights), max(heights))
    y: Spec = {"type": "quantitative", "scale": scale, "axis": {**axis, "grid": True}}
    x_axis: Spec = {"title": "attempts, in the order of their start", "grid": False, "tickMinStep": 1, "format": "d"}
    x: Spec = {"type": "quantitative", "scale": {"domain": [0.5, last + 0.5], "nice": False}, "axis": x_axis}
    said = len(points) <= _MOST_SAID
    layers: list[Spec] = [{**part, "encoding": upright(part["encoding"])} for part in floor(noise, y)]
    for kind, width, opacity, dash in (
        ("shown", 1, 0.35, [3, 3]),
        ("began", 1.4, 0.6, [1, 0]),
        ("best", 3, 0.9, [1, 0]),
    ):
        line = {"type": "rule", "color": PATCH, "strokeWidth": width, "opacity": opacity, "aria": False}
        layers.append(
            {
                "data": {"values": [edge for edge in edges if edge["kind"] == kind]},
                "mark": {**line, "strokeDash": dash},
                "encoding": {
                    "x": {**x, "field": "x"},
                    "x2": {"field": "x2"},
                    "y": {**y, "field": "y"},
                    "y2": {"field": "y2"},
                },
            }
        )
    where = {"x": {**x, "field": "x"}, "y": {**y, "field": "y"}}
    words = {"description": {"field": "said"}} if said else {}
    size = 60 if said else 14
    layers += [
        {
            "data": {"values": [point for point in points if point["earned"]]},
            "mark": {"type": "point", "filled": True, "opacity": 1, "size": size, "aria": said},
            "encoding": {**where, **words, "color": {"field": "colour", "type": "nominal", "scale": None}},
        },
        {
            "data": {"values": [point for point in points if not point["earned"]]},
            "mark": {"type": "point", "shape": "cross", "filled": False, "strokeWidth": 1.5, "angle": 45, "aria": said},
            "encoding": {**where, **words, "color": {"value": FAILED}, "size": {"value": size}},
        },
    ]
    if len(points) <= (MOST_NAMED if wide else MOST_NAMED // 3):
        text = {"type": "text", "dy": -12, "fontSize": 11, "aria": False, "color": "var(--soft)"}
        layers.append({"data": {"values": points}, "mark": text, "encoding": {**where, "text": {"field": "label"}}})
    return {"width": (WIDE if wide else NARROW) - 64, "height": 300, "layer": layers}
