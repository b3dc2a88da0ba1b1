"""The boards' forms: CSV for spreadsheets, Markdown with curves, HTML that loads nothing."""

from __future__ import annotations

import csv
import io
import random

import pytest
from records import HOSTILE, device, verdict
from rich.console import Console
from synthetic_runs import a_verdict

from harness.leaderboard import ALL_DEVICES, leaderboard
from harness.leaderboard_forms import HEADINGS, boards_csv, boards_markdown, cells
from harness.leaderboard_tables import board_table, boards_rendered
from harness.ranking import Ranking
from harness.report.board_page import boards_html
from harness.verdict import Cost, Tokens


def boards(attempts: int = 40):  # noqa: ANN201 - a list of boards
    rng = random.Random(3)
    return leaderboard([a_verdict("run", f"{number:03d}", rng) for number in range(attempts)])


def test_a_success_costs_all_that_was_spent() -> None:
    cost = Cost(usd=0.5, tokens=Tokens(input=900, output=100))
    [board] = leaderboard(
        [verdict(cost=cost), verdict(cost=cost), verdict("incorrect", cost=cost), verdict("infra_failed", cost=cost)]
    )
    [row] = board.rows
    assert row.usd_per_success == pytest.approx(1.0) and row.tokens_per_success == pytest.approx(2000)


def test_rows_by_agent_or_by_model_and_over_devices() -> None:
    verdicts = [
        verdict(agent="a", model="m", run="r1"),
        verdict(agent="a", model="n", run="r1"),
        verdict(agent="b", model="m", run="r2", device=device("H100")),
        verdict(agent="placebo", status="same", speedup=1.0, run="r1"),
    ]
    [cpu, gpu] = leaderboard(verdicts, by="agent")
    assert [(row.agent, row.model, row.attempts) for row in cpu.rows] == [("a", None, 2)]
    assert gpu.device == "H100"
    [both] = leaderboard(verdicts, by="model", mix=True)
    assert both.device == ALL_DEVICES
    assert sorted((str(row.model), row.attempts) for row in both.rows) == [("m", 2), ("n", 1)]
    assert both.false_wins is not None and both.false_wins.placebos == 1


def test_csv_reads_back_and_holds_no_formula() -> None:
    found = leaderboard([verdict(agent="=cmd|' /C calc'!A1", model=HOSTILE), verdict("incorrect", agent="b")])
    rows = list(csv.DictReader(io.StringIO(boards_csv(found))))
    assert {row["agent"] for row in rows} == {"'=cmd|' /C calc'!A1", "b"}
    first = next(row for row in rows if row["agent"] != "b")
    assert float(first["geometric_mean"]) == pytest.approx(3.91) and first["geometric_mean_low"] == ""
    assert float(first["fast_2"]) == 1.0 and "\x1b" not in first["model"]
    assert boards_csv([]).startswith("task,")


def test_markdown_has_a_second_table_where_there_is_more_than_one_attempt() -> None:
    text = boards_markdown(boards())
    assert "| agent | model | fast 1 |" in text and "pass@1" in text and "best@" in text
    assert "fast 1" not in boards_markdown(leaderboard([verdict()]))


def test_the_page_loads_nothing_and_draws_the_curves() -> None:
    hostile = leaderboard([verdict(agent="<script>alert(1)</script>", task="</style>")])
    page = boards_html(Ranking([*boards(), *hostile]))
    assert page.count("<script>") == 1 and page.count("<style>") == 1
    assert "How many attempts are faster by how much" in page and "src=" not in page and 'href="http' not in page


def test_the_terminal_gets_both_tables() -> None:
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=120).print(*boards_rendered(boards()))
    text = stream.getvalue()
    assert "moe_align on Example CPU" in text and "pass@1" in text and "per success" in text


@pytest.mark.parametrize("width", [60, 64, 72, 80, 92, 100, 140])
def test_a_narrow_terminal_leaves_columns_out_and_cuts_none(width: int) -> None:
    """A number that lost a digit would be another number, and a row without its name nobody's."""
    models = ["anthropic/claude-sonnet-4.5", "gpt-5.1-codex", "qwen/qwen3-coder-480b-a35b-instruct"]
    [board] = leaderboard(
        verdict(status, 1.0 + number, agent="mini (refine)", model=model, attempt=f"{number:03d}")
        for model in models
        for number, status in enumerate(["faster", "faster", "incorrect", "same", "faster", "infra_failed"])
    )
    console = Console(width=width, file=io.StringIO())
    console.print(*boards_rendered([board]))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    lines = text.splitlines()
    assert max(map(len, lines)) <= width and "…" not in text
    first, _, rest = text.partition("Geometric mean over")
    first_notes = " ".join(rest[: rest.index("pass@")].split())
    for row, model in zip(board.rows, models, strict=True):
        found = dict(zip(HEADINGS, cells(row), strict=True))
        assert found["geo. mean"] in first
        assert "mini" in first and model[:10] in first
        for heading, shown in (("best", found["best"]), ("cost", found["cost"].split(",")[0])):
            assert (f" {shown} " in first) == (f" {heading} " in first)
    headings = ["faster", "of correct", "best", "infra", "cost"]
    left_out = [heading for heading in headings if f" {heading}" not in first.splitlines()[2]]
    assert ("narrow as this: " in first_notes) == bool(left_out) and "; ".join(left_out) in first_notes
    assert not left_out or width < 100


def test_few_attempts_have_one_column_of_pass_at_1() -> None:
    [board] = leaderboard([verdict(attempt="001"), verdict(attempt="002")])
    console = Console(width=120, file=io.StringIO())
    console.print(*boards_rendered([board]))
    assert isinstance(console.file, io.StringIO)
    [headings] = [line for line in console.file.getvalue().splitlines() if "fast 1" in line]
    assert headings.count("pass@1") == 1


def test_a_table_of_80_columns_keeps_the_name_beside_a_wide_interval() -> None:
    [board] = leaderboard([verdict(agent="replay", run="r1"), verdict("incorrect", agent="replay", run="r1")])
    console = Console(width=80, file=io.StringIO())
    console.print(board_table(board))
    assert isinstance(console.file, io.StringIO)
    assert "replay" in console.file.getvalue()
