"""Reference figures: what a file may hold, what each mistake is told, and how they are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import harness
from records import HOSTILE, verdict, write_run
from reference_figures import a_row, a_table, write_references
from rich.console import Console
from tiny_task import TinyTask

from harness.errors import TaskError
from harness.find_run import find_run
from harness.reference_forms import HEADING, references_json, references_markdown, references_rendered, sources
from harness.references import MOST_BYTES, References, kept_references, load_references
from harness.report.build import report
from harness.report.material import read_run
from harness.run import RunOptions, verify_task
from harness.task_file import load_task


def figures(**changes: Any) -> References:  # noqa: ANN401 - any field of the table
    return References.model_validate({"tables": [a_table(**changes)]})


def test_means_and_ratios_are_those_of_the_rows() -> None:
    [table] = figures().tables
    theirs, half, ours, _ = table.rows
    assert table.overall(theirs) == pytest.approx(4.0) and table.overall(half) is None
    assert table.ratio(ours) == pytest.approx(2.0) and table.ratio(half) is None
    assert table.is_elsewhere(ours) and not table.is_elsewhere(theirs)
    [more] = figures(better="more").tables
    assert more.ratio(more.rows[2]) == pytest.approx(0.5)


def test_a_figure_that_was_measured_as_one_is_not_made_from_the_others() -> None:
    whole = {"estimate": 1.5, "low": 1.4, "high": 1.6}
    [table] = figures(rows=[a_row(mean=whole), a_row("nothing below", values=[0.0, 1.0])]).tables
    assert table.overall(table.rows[0]) == table.rows[0].mean
    assert table.overall(table.rows[1]) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"rows": [a_row(values=["3.4", 1])]},
            "tables[0].rows[0].values[0]: Input should be a valid number (found '3.4')",
        ),
        ({"rows": [a_row(values=[True, 1])]}, "found True"),
        ({"rows": [a_row(values=[1.0])]}, "row 'theirs' has 1 value for 2 columns"),
        ({"rows": [a_row(kind="guessed")]}, "'published', 'measured' or 'verdict' (found 'guessed')"),
        ({"rows": [a_row(), a_row()]}, "the row 'theirs' stands twice"),
        ({"rows": [a_row(base=True), a_row("b", base=True)]}, "these rows are marked: theirs, b"),
        ({"rows": [a_row(values=[{"estimate": 1, "low": 2, "high": 3}, 1])]}, "not in order"),
        ({"columns": ["a", "a"]}, "the column 'a' stands twice"),
        ({"headline": "huge"}, "headline 'huge' is no column; columns: small, large"),
        ({"better": "higher"}, "'less' or 'more' (found 'higher')"),
        ({"colour": "red"}, "tables[0].colour: there is no such key"),
        ({"rows": []}, "at least 1 item"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_value(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    file = write_references(tmp_path / "figures.json", a_table(**changes))
    with pytest.raises(TaskError) as error:
        load_references(file)
    assert str(error.value).startswith(f"{file}: ") and told in str(error.value)
    assert "docs/new-task.md" in str(error.value) and str(error.value).count("\n") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ":1: not valid JSON"),
        ("[]", "the whole file: Input should be a valid dictionary"),
        ('{"tables": [], "tables": []}', "the key 'tables' stands twice"),
        ('{"tables": [NaN]}', "NaN is not a figure"),
        ("[" * 20_000, "recursion"),
        (" " * (MOST_BYTES + 1), "may have 200,000"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "figures.json"
    file.write_text(text)
    with pytest.raises(TaskError) as error:
        load_references(file)
    assert told in str(error.value)


def test_a_task_with_wrong_figures_is_refused_before_anything_runs(tiny: TinyTask) -> None:
    tiny.edit_task("api: tiny", "api: tiny\nreferences: figures.json")
    with pytest.raises(TaskError, match=r"tiny\.yaml:\d+: references: there is no file figures\.json"):
        load_task(str(tiny.file))
    write_references(tiny.folder / "figures.json", a_table(rows=[a_row(values=[])]))
    with pytest.raises(TaskError, match=r"figures\.json: tables\[0\]: row 'theirs' has 0 values"):
        load_task(str(tiny.file))


def test_the_terminal_shows_them_apart_within_80_columns() -> None:
    from io import StringIO

    stream = StringIO()
    long = a_table(rows=[a_row("a label that is as long as a label may be, with words enough to fold it" + "!" * 9)])
    found = References.model_validate({"tables": [a_table(), {**long, "title": "Another"}]})
    Console(file=stream, width=80).print(*references_rendered("tiny", found, whole=True))
    text = stream.getvalue()
    assert f"tiny: {HEADING.lower()}" in text and max(map(len, text.splitlines())) <= 80
    [ours] = [line for line in text.splitlines() if " ours " in line]
    assert ours.split() == ["ours", "measured", "4.00", "2.00", "2.00x", "*"]
    assert "a ratio across machines is no comparison" in " ".join(text.split())


@pytest.mark.parametrize(("width", "left_out"), [(36, ["kind", "4096x2, 64", "ratio"]), (60, ["4096x2, 64"]), (80, [])])
def test_a_narrow_terminal_leaves_columns_out_before_it_folds_names(width: int, left_out: list[str]) -> None:
    from io import StringIO

    name = "vLLM 0.7.3, 4 Triton kernels"
    rows = [a_row(name, base=True, values=[1234.5, 36.19]), a_row("ours", kind="measured", values=[1000.0, 4.0])]
    found = References.model_validate(
        {"tables": [a_table(columns=["small", "4096x2, 64"], headline="4096x2, 64", rows=rows)]}
    )
    stream = StringIO()
    Console(file=stream, width=width).print(*references_rendered("tiny", found, whole=True))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    cells = {"kind": "published", "4096x2, 64": "36.19", "geo. mean": "211.4", "ratio": "base"}
    [row] = [line for line in lines if "211.4" in line]
    assert width < 60 or row.startswith(f" {name} ")
    assert row.split()[-len(cells) + len(left_out) :] == [cells[each] for each in cells if each not in left_out]
    told = f"narrow as this: {'; '.join(left_out)} (--format markdown" in " ".join(" ".join(lines).split())
    assert told == bool(left_out)


def test_the_terminal_names_the_tables_that_it_does_not_show(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs", verdict())
    titles = ("First", "Second", "Third")
    write_references(folder.references, *(a_table(title=title, rows=[a_row(f"of {title}")]) for title in titles))
    text, everything, whole = (
        harness(tmp_path, "leaderboard", str(folder.path), *more).stdout
        for more in ([], ["--all-figures"], ["--format", "markdown"])
    )
    assert "of First" in text and "of Second" not in text and "of Third" not in text
    assert "2 more tables (--all-figures; every figure with --format markdown, html or json): Second; Third." in text
    for title in titles:
        assert f"of {title}" in everything and f"of {title}" in whole
    assert "more tables" not in everything


def test_markdown_and_json_have_every_figure_and_nothing_comes_alive() -> None:
    hostile = HOSTILE.replace("\udc80", "")  # what JSON cannot carry is refused
    found = figures(rows=[a_row(hostile[:60], source=hostile, values=[1.0, None])], title="<b>x</b>")
    text = references_markdown(found)
    assert "<b>" not in text and "<script>" not in text and "\x1b" not in text
    [row] = references_json(figures())["tables"][0]["rows"][2:3]
    assert row["values"] == [1.0, 4.0] and row["overall"] == pytest.approx(2.0) and row["ratio"] == pytest.approx(2.0)


def test_one_source_of_all_rows_is_told_once() -> None:
    [table] = figures(rows=[a_row("a"), a_row("b")]).tables
    assert sources(table) == [("all figures", "a paper")]
    assert [label for label, _ in sources(figures().tables[0])] == ["theirs", "half known", "ours", "judged"]


def test_a_report_has_a_section_of_them_and_is_no_longer_without(tmp_path: Path) -> None:
    folder = write_run(tmp_path, verdict())
    plain = report(read_run(folder), ".html")
    assert HEADING not in plain and "references" not in json.loads(report(read_run(folder), ".json"))
    write_references(folder.references)
    for form in (".html", ".md"):
        text = report(read_run(folder), form)
        assert HEADING in text and "half known" in text and "python -m benchmarks.example" in text
    assert json.loads(report(read_run(folder), ".json"))["references"]["tables"][0]["rows"][0]["ratio"] == 1.0


def test_a_damaged_copy_is_told_and_stops_no_report(tmp_path: Path) -> None:
    folder = write_run(tmp_path, verdict())
    folder.references.write_text("{")
    text = report(read_run(folder), ".html")
    assert "The reference figures cannot be read" in text and "as fast as the base" in text
    folder.references.unlink()
    folder.references.symlink_to("/etc/hostname")
    assert kept_references(folder.references) == (None, "")


@pytest.mark.slow
def test_a_run_keeps_a_copy_for_whoever_reads_it_elsewhere(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.edit_task("api: tiny", "api: tiny\nreferences: figures.json")
    file = write_references(tiny.folder / "figures.json")
    patch = tmp_path / "none.diff"
    patch.write_text("")
    options = RunOptions(task=str(tiny.file), out=tmp_path / "runs", worktrees=tmp_path / "worktrees")
    verify_task(options, patch, lambda _event: None)
    text = file.read_text()
    file.unlink()
    assert find_run(tmp_path / "runs").references.read_text() == text
