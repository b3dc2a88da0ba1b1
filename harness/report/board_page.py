"""A leaderboard as one file of HTML, with the fast_p curves drawn."""

from __future__ import annotations

from typing import Any

from harness import __version__
from harness import attempt_board_forms as attempt_forms
from harness.attempt_board import AttemptBoard
from harness.estimators import THRESHOLDS
from harness.leaderboard import Board, Row
from harness.leaderboard_forms import (
    CURVES_NOTE,
    NOTE,
    cells,
    curve_cells,
    curve_headings,
    false_wins_text,
    has_curves,
    shown_rows,
)
from harness.leaderboard_forms import HEADINGS as BOARD_HEADINGS
from harness.ranking import Ranking
from harness.reference_forms import references_view
from harness.report.chart import NARROW, WIDE, Chart, Spec, drawn, label, share_axis
from harness.report.page import asset, offline_policy, render

# Told apart by colour-blind readers as well, and by their dashes.
_COLOURS = ["var(--patch)", "var(--warm)", "var(--reference)", "var(--good)", "var(--bad)", "var(--base)"]
_DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [1, 3]]


def fast_chart(board: Board, name: str) -> Chart | None:
    """How many attempts are faster by how much, a line for each row; at most six rows, the best."""
    rows = [row for row in board.rows if row.fast_p][: len(_COLOURS)]
    if not rows:
        return None
    names = [label(" ".join(filter(None, (row.agent, row.model))), 40) for row in rows]
    names = [f"{each} ({place})" if names.count(each) > 1 else each for place, each in enumerate(names, start=1)]
    points = [
        {
            "row": names[place],
            "p": each.factor,
            "share": each.rate.estimate,
            "many": row.attempts > 1,
            "l": each.rate.low,
            "h": each.rate.high,
            "said": f"{names[place]}: {each.rate.estimate:.0%} of attempts are more than {each.factor:g}x as fast",
        }
        for place, row in enumerate(rows)
        for each in row.fast_p
    ]
    said = "; ".join(f"{point['said']}" for point in points if point["p"] in (1.0, 2.0))
    return drawn(
        name,
        "How many attempts are faster by how much",
        f"{said}.",
        "fast p: the share of attempts that are correct and faster by more than p. Bands are 95 % intervals"
        + (f"; the best {len(rows)} rows are drawn." if len(board.rows) > len(rows) else "."),
        lambda wide: _curves(points, names, wide=wide),
    )


def _curves(points: list[dict[str, Any]], names: list[str], *, wide: bool) -> Spec:
    scale = {"domain": names, "range": _COLOURS[: len(names)]}
    ticks = [1, 1.25, 1.5, 2, 3, 5, 10] if wide else [1, 2, 5, 10]
    x: Spec = {
        "field": "p",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [1, THRESHOLDS[-1]], "nice": False},
        "axis": {"title": "faster by more than", "values": ticks, "labelExpr": "format(datum.value, '~r') + 'x'"},
    }
    share: Spec = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": share_axis("attempts")}
    legend: Spec = {
        "title": None,
        "orient": "top",
        "columns": 3 if wide else 1,
        "labelLimit": 280,
        "symbolType": "stroke",
    }
    legend |= {"symbolOpacity": 1, "symbolStrokeWidth": 2.2, "symbolSize": 300}
    colour = {"field": "row", "type": "nominal", "scale": scale, "legend": legend}
    dashes = {
        "field": "row",
        "type": "nominal",
        "scale": {"domain": names, "range": _DASHES[: len(names)]},
        "legend": legend,
    }
    data = {"values": points}
    plain = {"color": colour, "x": x}
    return {
        "width": (WIDE if wide else NARROW) - 90,
        "height": 240,
        "layer": [
            {
                "data": {"values": [point for point in points if point["many"]]},
                "mark": {"type": "area", "opacity": 0.12, "aria": False},
                "encoding": {**plain, "y": {**share, "field": "l"}, "y2": {"field": "h"}},
            },
            {
                "data": data,
                "mark": {"type": "line", "strokeWidth": 2.2, "aria": False},
                "encoding": {**plain, "strokeDash": dashes, "y": {**share, "field": "share"}},
            },
            {
                "data": data,
                "mark": {"type": "point", "filled": True, "size": 40, "opacity": 1},
                "encoding": {**plain, "y": {**share, "field": "share"}, "description": {"field": "said"}},
            },
        ],
    }


def _columns(row: Row) -> dict[str, str]:
    """A row as a page has room for it."""
    found = dict(zip(BOARD_HEADINGS, cells(row), strict=True))
    merged = {
        "faster": f"{row.faster}/{row.attempts}",
        "rate": found["faster rate"],
        "of correct": found["mean of correct"],
        "cost": "?" if row.usd is None else f"${row.usd:.2f}",
    }
    wanted = (
        "#",
        "agent",
        "model",
        "faster",
        "rate",
        "geo. mean",
        "of correct",
        "best",
        "infra",
        "cost",
        "per success",
    )
    return {heading: merged.get(heading) or found[heading] for heading in wanted}


def board_views(ranking: Ranking) -> list[dict[str, Any]]:
    """What the template shows of each board, and of the reference figures below it."""
    return [
        {
            "id": f"board-{number}",
            "task": board.task,
            "device": board.device,
            **(_agents(board, f"board-{number}") if isinstance(board, Board) else _attempts(board)),
            "about": ranking.note(board),
            "references": references_view(ranking.below(board)),
        }
        for number, board in enumerate(ranking.boards, start=1)
    ]


def _agents(board: Board, name: str) -> dict[str, Any]:
    return {
        "headings": list(_columns(shown_rows(board)[0])) if shown_rows(board) else [],
        "rows": [list(_columns(row).values()) for row in shown_rows(board)],
        "note": f"{NOTE} {false_wins_text(board.false_wins)}",
        "chart": fast_chart(board, f"{name}-fast"),
        "curve_headings": curve_headings(board),
        "curves": [curve_cells(board, row) for row in shown_rows(board)] if has_curves(board) else [],
    }


def _attempts(board: AttemptBoard) -> dict[str, Any]:
    return {
        "headings": list(attempt_forms.HEADINGS),
        "rows": attempt_forms.rows(board, attempt_forms.MOST_ROWS),
        "note": attempt_forms.note_text(board, attempt_forms.MOST_ROWS),
        "curves": [],
    }


def boards_html(ranking: Ranking) -> str:
    """Boards as one file that loads nothing."""
    style, script = asset("page.css"), asset("page.js")
    return render(
        "board.html.j2",
        policy=offline_policy(style, script),
        style=style,
        script=script,
        boards=board_views(ranking),
        curves_note=CURVES_NOTE,
        version=__version__,
    )
