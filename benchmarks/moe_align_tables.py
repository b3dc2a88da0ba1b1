"""The tables in README.md and docs/moe_align.md, made from the record's reference figures and verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.moe_align_figures import LAYER_TITLE, LIMITS, SHAPES_FILE, VLLM_TITLE, shape_name
from benchmarks.moe_align_published import BEST, EARLIER, EMPTY, TRITON, VLLM
from harness.attempt_board import AttemptBoard, attempt_boards
from harness.reference_forms import cells, figure_text, has_means, headings, measured_text, ratio_note
from harness.references import ReferenceRow, References, ReferenceTable, estimate_of
from harness.text import interval_text
from harness.verdict_folder import holds_verdicts, read_state

BEGIN = "<!-- made by make records: {name} -->"
ON_VLLM = "vLLM 0.7.3's own file as the target (`tasks/vllm_moe_align.yaml`), judged in the same way:"
END = "<!-- end of what make records made -->"


def documents(found: References, record: Path, vllm: Path, root: Path) -> dict[Path, str]:
    """The documentation's files as they should be.

    Raises:
        ValueError: a file has no such marks.
    """
    shapes = found.tables[0]
    readme, story = root / "README.md", root / "docs" / "moe_align.md"
    made = {
        readme: {
            "verdicts": verdicts(record),
            "verdicts on vLLM": f"{ON_VLLM}\n\n{verdicts(vllm)}" if holds_verdicts(vllm) else "",
            "reference figures": summary(shapes),
        },
        story: {
            "13 shapes": by_shape(shapes),
            "what limits it": limits(record / LIMITS),
            "inside a layer": whole([table for table in found.tables if table.title.startswith(LAYER_TITLE)]),
            "vLLM": whole([table for table in found.tables if table.title == VLLM_TITLE]),
        },
    }
    return {file: with_tables(file.read_text(encoding="utf-8"), tables, file) for file, tables in made.items()}


def with_tables(text: str, tables: dict[str, str], file: Path) -> str:
    """A document with what stands between its marks replaced."""
    for name, table in tables.items():
        begin = BEGIN.format(name=name)
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(END)
        if not found or not ended:
            raise ValueError(f"{file}: there is no {begin} with {END} after it")
        inside = f"\n\n{table}\n\n" if table else "\n"
        text = f"{before}{begin}{inside}{END}{after}"
    return text


def verdicts(record: Path) -> str:
    """The attempts as the judge found them, the best first, and the base; a table for each task and device."""
    boards = attempt_boards(read_state(record).verdicts)
    return "\n\n".join(_ranked(board, named=len(boards) > 1) for board in boards)


def _ranked(board: AttemptBoard, *, named: bool) -> str:
    rows = [
        [str(row.rank or "-"), row.attempt.rpartition("/")[2], row.status, interval_text(row.speedup)]
        for row in board.rows
        if row.speedup
    ]
    base = [["-", "the base, against itself", "-", interval_text(board.base)]] if board.base else []
    title = [f"Task `{board.task}` on {board.device}:", ""] if named else []
    return "\n".join([*title, *_table(("#", "attempt", "verdict", "speedup [95 %]"), [*rows, *base])])


def summary(table: ReferenceTable) -> str:
    """The rows that a reader asks for first, with the headline's column only."""
    wanted = {TRITON.name, EARLIER.name, VLLM.name, BEST.name, EMPTY.name, "SGLang 0.5.23, CUDA"}
    place = table.columns.index(table.headline or table.columns[0])
    measured = [row for row in table.rows if row.kind == "measured"]
    ours = [row for row in measured if row.source == SHAPES_FILE]
    rows = [row for row in table.rows if row.label in wanted or (row in measured and row not in ours)]
    rows += [ours[0], ours[-1]]
    told = []
    for row in rows:
        kind, *ahead = cells(table, row)[: len(headings(table))]
        told.append([row.label, kind, figure_text(row.values[place]), *ahead])
    names = ["µs a call", "kind", str(table.headline), "geo. mean of 13 shapes", "ratio"]
    return "\n".join([*_table(names, told), "", ratio_note(table).replace("*", "\\*")])


def by_shape(table: ReferenceTable) -> str:
    """A shape a line, bold where the record is faster than the best known, and what it comes to."""
    measured = [row for row in table.rows if row.source == SHAPES_FILE]
    shown = [row for row in table.rows if row.label in (TRITON.name, VLLM.name, BEST.name)] + measured
    best, record = next(row for row in shown if row.label == BEST.name), measured[-1]
    rows = []
    for place, column in enumerate(table.columns):
        texts = [figure_text(row.values[place]) for row in shown]
        if (estimate_of(record.values[place]) or 0) < (estimate_of(best.values[place]) or 0):
            texts[-1] = f"**{texts[-1]}**"
        rows.append([column, *texts])
    rows.append(["geometric mean", *(figure_text(table.overall(row)) for row in shown)])
    return "\n".join([*_table(["shape", *(row.label for row in shown)], rows), "", _in_words(table, record, best)])


def _in_words(table: ReferenceTable, record: ReferenceRow, best: ReferenceRow) -> str:
    def times(row: ReferenceRow) -> float:
        return (estimate_of(table.overall(row)) or 0.0) / (estimate_of(table.overall(record)) or 1.0)

    rows = {row.label: row for row in table.rows}
    four, vllm, known = times(table.base or rows[TRITON.name]), times(rows[VLLM.name]), 1 / times(best)
    where = ""
    if table.base and not table.is_elsewhere(record):
        where = f" as measured on the same machine ({figure_text(table.overall(table.base))} us)"
    return (
        "Bold: less than the best known's published time, which is another machine's; two processes on one machine\n"
        f"are up to 5 % apart. Over all {len(table.columns)}, the record takes 1/{four:.1f} of the four\n"
        f"kernels' time{where}; and, across machines, 1/{vllm:.1f} of vLLM 0.33's published time\n"
        f"and {known:.2f} times that of the best known of each shape."
    )


def limits(file: Path) -> str:
    """A shape a line: what the record's time is made of, as `benchmarks.moe_limits` says; nothing without its file."""
    if not file.is_file():
        return ""
    keys = ("roofline_us", "overlapping_us", "through_memory_us", "taken_us", "beyond_us")
    found = json.loads(file.read_text(encoding="utf-8"))["rows"]
    patch = found[-1]["alignment"]
    rows = [
        [shape_name(tuple(row["shape"])), str(row["launches"]), *(f"{row[key]:.2f}" for key in keys)]
        for row in found
        if row["alignment"] == patch
    ]
    names = ("shape", "launches", "roofline", "launches alone", "each reads the last one's word", patch, "beyond")
    return "\n".join(_table(names, rows))


def whole(tables: Sequence[ReferenceTable]) -> str:
    """Tables of one command, each with its longer side downwards, and the command; nothing without tables."""
    lines: list[str] = []
    for table in tables:
        lines += [f"**{table.title}**: {measured_text(table)}.", ""]
        columns, figures = list(table.columns), [[figure_text(value) for value in row.values] for row in table.rows]
        if has_means(table):
            columns.append("geo. mean")
            figures = [[*told, figure_text(table.overall(row))] for told, row in zip(figures, table.rows, strict=True)]
        names = [f"{row.label} ({row.note})" if row.kind == "verdict" and row.note else row.label for row in table.rows]
        if len(columns) > 8:
            lines += _table(
                ["", *names], [[name, *told] for name, told in zip(columns, zip(*figures, strict=True), strict=True)]
            )
        else:
            lines += _table(["", *columns], [[name, *told] for name, told in zip(names, figures, strict=True)])
        lines.append("")
    if tables:
        lines += [f"{tables[0].machine}:", "", "```console", f"$ {tables[0].command}", "```"]
    return "\n".join(lines)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of Markdown that also read well as text: all of it is ours, so that nothing has to be escaped."""
    lines = ["| " + " | ".join(line) + " |" for line in (headings, *rows)]
    return [lines[0], "|" + " --- |" * len(headings), *lines[1:]]
