"""Reference figures as people and programs take them: for the terminal, for pages, Markdown and JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.fitting_table import Column, FittingTable
from harness.references import KINDS, ReferenceRow, References, ReferenceTable, Spread, Value, estimate_of
from harness.text import counted, markdown_cell, markdown_table, safe, speedup_text

if TYPE_CHECKING:
    from rich.console import RenderableType

_LEGIBLE = 28  # of a row's name, which says by whom and by what: more of them would be folded often
HEADING = "Reference figures (not judged in this run)"
_KINDS = ". ".join(f"{kind}: {words}" for kind, words in KINDS.items())
NOTE = f"They are in no ranking and change no verdict. {_KINDS}."
ELSEWHERE = "* taken on another machine: a ratio across machines is no comparison."


def figure_text(value: Value) -> str:
    """A figure with two decimals, fewer where it is large, three digits where it is small; with its interval.

    An interval that has a width is not written as if it had none: then there are more decimals.
    """
    if value is None:
        return "-"
    if not isinstance(value, Spread):
        return _number(value)
    for decimals in (None, 3, 4):
        middle, low, high = (_number(end, decimals) for end in (value.estimate, value.low, value.high))
        if low != high or value.low == value.high:
            break
    return f"{middle} [{low}, {high}]"


def _number(figure: float, decimals: int | None = None) -> str:
    size = abs(figure)
    if decimals is not None:
        return f"{figure:,.{decimals}f}"
    if size >= 1000:
        return f"{figure:,.0f}"
    if size >= 100:
        return f"{figure:.1f}"
    return f"{figure:.2f}" if size >= 0.1 or size == 0 else f"{figure:.2g}"


def measured_text(table: ReferenceTable) -> str:
    """What a figure is: `GPU time a call, µs, less is better`."""
    return f"{table.measured}, {table.unit}, {table.better} is better"


def ratio_text(table: ReferenceTable, row: ReferenceRow) -> str:
    """A row against the table's base; with an asterisk where it is from another machine."""
    if row.base:
        return "base"
    ratio = table.ratio(row)
    return "-" if ratio is None else speedup_text(ratio) + " *" * table.is_elsewhere(row)


def ratio_note(table: ReferenceTable) -> str:
    """What the ratios are, and which of them are no comparisons; empty where there are none."""
    if table.base is None:
        return ""
    told = f"ratio: how many times better than {table.base.label}, by the means."
    return f"{told} {ELSEWHERE}" if any(table.is_elsewhere(row) for row in table.rows) else told


def has_means(table: ReferenceTable) -> bool:
    """Whether a mean says more than the figures: there is more than one column, and a row with all of them."""
    return len(table.columns) > 1 and any(table.overall(row) is not None for row in table.rows)


def headings(table: ReferenceTable) -> list[str]:
    """The columns ahead of a table's own: what is most looked for comes first, for a narrow window."""
    return ["kind", *(["geo. mean"] if has_means(table) else []), *(["ratio"] if table.base else [])]


def cells(table: ReferenceTable, row: ReferenceRow) -> list[str]:
    """A row under `headings`, then its figures."""
    mean = [figure_text(table.overall(row))] if has_means(table) else []
    ratio = [ratio_text(table, row)] if table.base else []
    return [row.kind, *mean, *ratio, *map(figure_text, row.values)]


def about(table: ReferenceTable) -> list[tuple[str, str]]:
    """What a reader has to know to take the same figures: machine, method, command."""
    found = [("machine", table.machine), ("method", table.method)]
    return [*found, ("command", table.command or "none: these figures cannot be reproduced here")]


def sources(table: ReferenceTable) -> list[tuple[str, str]]:
    """Where each row is from, on which machine if not on the table's, and what else is to be known."""
    told = [
        (row.label, "; ".join(filter(None, (row.source, row.machine and f"on {row.machine}", row.note))))
        for row in table.rows
    ]
    texts = {text for _, text in told}
    return [("all figures", texts.pop())] if len(texts) == 1 < len(told) else told


def references_view(references: References | None, problem: str = "") -> dict[str, Any] | None:
    """What a page shows; None where there are none and nothing is wrong with them."""
    if references is None and not problem:
        return None
    tables = references.tables if references else []
    return {
        "heading": HEADING,
        "note": NOTE,
        "problem": problem,
        "tables": [
            {
                "title": table.title,
                "measured": measured_text(table),
                "headings": [*headings(table), *table.columns],
                "rows": [{"label": row.label, "cells": cells(table, row), "base": row.base} for row in table.rows],
                "note": ratio_note(table),
                "about": about(table),
                "sources": sources(table),
            }
            for table in tables
        ],
    }


def references_rendered(task: str, references: References, *, whole: bool = False) -> list[RenderableType]:
    """For the terminal: one figure a row, the headline's, and the mean; all of them are on a page and in JSON.

    Args:
        task: whose figures they are.
        references: the figures.
        whole: draw all tables; otherwise the first, and name the others: the ranking above them is what was asked for.
    """
    shown = references.tables if whole else references.tables[:1]
    parts: list[RenderableType] = [safe(f"{task}: {HEADING.lower()}", "bold"), *map(_rendered, shown)]
    if left_out := references.tables[len(shown) :]:
        parts.append(safe(_left_out_text([table.title for table in left_out])))
    return [*parts, safe(NOTE, "dim")]


def _left_out_text(titles: list[str]) -> str:
    more = counted(len(titles), "more table")
    return f"{more} (--all-figures; every figure with --format markdown, html or json): {'; '.join(titles)}."


def _rendered(table: ReferenceTable) -> FittingTable:
    """One figure of each row and the mean; where there is no room, the one that says most of it, and the names."""
    one = table.headline or (table.columns[0] if len(table.columns) == 1 else None)
    found = [dict(zip(headings(table), cells(table, row), strict=False)) for row in table.rows]
    figures = [figure_text(row.values[table.columns.index(one)]) for row in table.rows] if one else []
    goes = {"kind": 3, "ratio": 2}
    numbers = [Column(heading, [row[heading] for row in found], goes.get(heading, 0)) for heading in headings(table)]
    headline = [Column(one, figures, goes=int(has_means(table)))] if one else []
    labels = Column("figures of", [row.label for row in table.rows], folds=True, justify="left", legible=_LEGIBLE)
    kinds = replace(numbers[0], justify="left")
    return FittingTable(
        [labels, kinds, *headline, *numbers[1:]],
        title=f"{table.title}: {measured_text(table)}",
        notes=[" ".join(filter(None, (f"{table.machine}.", ratio_note(table))))],
    )


def references_markdown(references: References, level: int = 2) -> str:
    """A section of Markdown with every figure."""
    lines = [f"{'#' * level} {HEADING}", "", NOTE]
    for table in references.tables:
        lines += [
            "",
            f"{'#' * (level + 1)} {markdown_cell(table.title)}",
            "",
            f"{markdown_cell(measured_text(table))}.",
        ]
        rows = [[row.label, *cells(table, row)] for row in table.rows]
        lines += ["", *markdown_table(["", *headings(table), *map(markdown_cell, table.columns)], rows), ""]
        lines += [markdown_cell(ratio_note(table)), ""] if table.base else []
        lines += [f"- {name}: {markdown_cell(text)}" for name, text in about(table)]
        lines += [f"- {markdown_cell(label)}: {markdown_cell(text)}" for label, text in sources(table)]
    return "\n".join(lines)


def references_json(references: References) -> dict[str, Any]:
    """As the file has it, with each row's figure over all columns and its ratio."""
    document = references.model_dump()
    for table, told in zip(references.tables, document["tables"], strict=True):
        for row, line in zip(table.rows, told["rows"], strict=True):
            line["overall"] = estimate_of(table.overall(row))
            line["ratio"] = table.ratio(row)
    return document
