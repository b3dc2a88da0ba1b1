"""Boards of single attempts: who is ranked, who shares a rank, and what stands below."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from command_line import ROOT, harness
from records import HOSTILE, device, interval, verdict, write_run
from reference_figures import a_table, write_references
from rich.console import Console

from harness.attempt_board import attempt_boards
from harness.attempt_board_forms import attempts_csv, attempts_markdown, attempts_table
from harness.ranking import Found, rank, read_folders
from harness.references import load_references
from harness.report.board_page import boards_html
from harness.report.facts import environment
from harness.report.material import read_run
from harness.result import Result
from harness.store import RunFolder
from harness.text import printable
from harness.verdict_folder import kept_note, read_state


def some() -> list:  # of verdicts
    return [
        verdict(attempt="001", speedup=2.0),
        verdict(attempt="002", speedup=4.0),
        verdict(attempt="003", speedup=3.9),
        verdict("incorrect", attempt="004"),
        verdict(attempt="reference", agent="reference", speedup=9.0),
        verdict("same", attempt="p1", agent="placebo", speedup=1.0),
    ]


def test_attempts_are_ranked_by_their_own_intervals() -> None:
    [board] = attempt_boards(some())
    ranks = [(row.rank, (row.attempt or "").rpartition("/")[2], row.status) for row in board.rows]
    assert ranks == [
        (1, "002", "faster"),
        (1, "003", "faster"),  # 3.9 cannot be told apart from 4.0
        (3, "001", "faster"),
        (0, "reference", "faster"),
        (0, "004", "incorrect"),
    ]
    assert board.base == interval(1.0)
    assert board.false_wins is not None and board.false_wins.placebos == 1


def test_what_a_board_in_a_database_keeps_is_enough() -> None:
    verdicts = some()
    [whole], [kept] = attempt_boards(verdicts), attempt_boards([Result.of(each) for each in verdicts])
    assert kept == whole.model_copy(update={"base": None})


def test_devices_stay_apart_unless_mixed() -> None:
    verdicts = [
        verdict(run="r1"),
        verdict(run="r2", device=device("H100")),
        verdict("rejected", run="r2", attempt="002"),
    ]
    assert [(board.device, len(board.rows)) for board in attempt_boards(verdicts)] == [("AMD EPYC", 1), ("H100", 2)]
    assert [len(board.rows) for board in attempt_boards(verdicts, mix=True)] == [3]


def test_all_forms_hold_the_same_rows_and_nothing_comes_alive() -> None:
    [board] = boards = attempt_boards([*some(), verdict(attempt="=1+1", agent=HOSTILE, run="other")])
    text = attempts_markdown(boards)
    assert "<script>" not in text and "\x1b" not in text and text.count("\n| ") == 9
    rows = list(csv.DictReader(io.StringIO(attempts_csv(boards))))
    assert [row["rank"] for row in rows][:2] == ["1", "1"] and len(rows) == 6
    assert float(rows[0]["speedup_low"]) < float(rows[0]["speedup"]) == pytest.approx(4.0)
    stream = io.StringIO()
    Console(file=stream, width=80).print(attempts_table(board))
    assert max(map(len, stream.getvalue().splitlines())) <= 80 and "4.00x [3.80, 4.20]" in stream.getvalue()
    page = boards_html(rank(Found(some()), by="attempt"))
    assert page.count("<script>") == 1 and "the base, against itself" in page


def test_the_command_ranks_a_folder_of_kept_verdicts_and_shows_what_it_was_held_against(tmp_path: Path) -> None:
    record = tmp_path / "record"
    for name, speedup in (("001-first", 2.0), ("002-second", 4.0)):
        (record / name).mkdir(parents=True)
        (record / name / "verdict.json").write_text(verdict(attempt=name[:3], speedup=speedup).model_dump_json())
    write_references(record / "references.json")
    said = harness(tmp_path, "leaderboard", str(record), "--by", "attempt", "--json")
    found = json.loads(said.stdout)
    assert [row["attempt"] for row in found["boards"][0]["rows"]] == ["record/002-second", "record/001-first"]
    assert found["references"]["moe_align"]["tables"][0]["title"] == a_table()["title"] and found["left_out"] == []
    text = harness(tmp_path, "leaderboard", str(record)).stdout  # an attempt a row, for there is no run
    assert text.index("002-second") < text.index("001-first") < text.index("reference figures") < text.index("ours")
    for form, expected in (("markdown", "### Reference figures"), ("html", "Reference figures")):
        assert expected in harness(tmp_path, "leaderboard", str(record), "--format", form).stdout
    assert "ours" not in harness(tmp_path, "leaderboard", str(record), "--format", "csv").stdout


def test_figures_that_several_boards_share_are_shown_once(tmp_path: Path) -> None:
    figures = load_references(write_references(tmp_path / "figures.json"))
    verdicts = [verdict(run="r1"), verdict(run="r2", device=device("H100")), verdict(run="r3", task="other")]
    ranking = rank(Found(verdicts, {"moe_align": figures, "other": figures}), by="attempt")
    assert [ranking.below(board) is figures for board in ranking.boards] == [False, False, True]


def test_a_damaged_kept_verdict_is_named_and_hides_no_other_run(tmp_path: Path) -> None:
    (tmp_path / "record" / "001").mkdir(parents=True)
    (tmp_path / "record" / "001" / "verdict.json").write_text("{}")
    whole = write_run(tmp_path / "runs", verdict())
    said = harness(tmp_path, "leaderboard", str(whole.path), str(tmp_path / "record"))
    assert "left out:" in said.stderr and "001/verdict.json" in said.stderr and "replay" in said.stdout


def test_a_kept_attempt_can_be_shown_compared_and_reported(tmp_path: Path) -> None:
    record = tmp_path / "record"
    for name, speedup in (("001-first", 2.0), ("002-second", 4.0)):
        (record / name).mkdir(parents=True)
        (record / name / "verdict.json").write_text(verdict(attempt=name[:3], speedup=speedup).model_dump_json())
        (record / name / "model_patch.diff").write_text("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-slow\n+fast\n")
    said = harness(tmp_path, "show", "record/002-second", "--diff")
    assert "4.00x" in said.stdout and "+fast" in said.stdout
    assert "record/002-second" in harness(tmp_path, "compare", "record/001-first", "record/002-second").stdout
    several = harness(tmp_path, "show", "record").stderr
    assert "Say which: record/001-first, record/002-second" in several
    refused = harness(tmp_path, "replay", "record/001-first")
    assert refused.returncode == 4 and "There is no journal record/journal.jsonl" in refused.stderr
    over = harness(tmp_path, "resume", "record")
    assert over.returncode == 4 and "There is no journal record/journal.jsonl" in over.stderr
    alone = harness(tmp_path, "export", "record/001-first")
    assert alone.returncode == 2 and "kept without its run's journal" in alone.stderr
    harness(tmp_path, "report", "record", "-o", "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "002-second" in page and "moe_align" in page and ">not measured<" not in page


def test_a_note_beside_kept_verdicts_stands_beneath_their_boards_and_in_their_report(tmp_path: Path) -> None:
    record = RunFolder(tmp_path / "record")
    record.attempt("001-first").create().verdict.write_text(verdict().model_dump_json())
    note = tmp_path / "record" / "note.txt"
    note.write_text("Six of its workloads,\n<b>one</b> held out. \x1b[31m" + "x" * 2000)
    said = "moe_align: Six of its workloads, <b>one</b> held out. xxx"
    found = harness(tmp_path, "leaderboard", "record").stdout
    assert said in " ".join(found.split()) and "x" * 601 not in found.replace("\n", "") and "\x1b" not in found
    ranking = rank(read_folders([record]), by="agent and model")
    assert "Six of its workloads, &lt;b&gt;one&lt;/b&gt; held" in boards_html(ranking)
    assert "Six of its workloads, &lt;b&gt;one&lt;/b&gt; held" in ranking.markdown()
    assert ranking.as_json()["notes"]["moe_align"].startswith("Six of its workloads, <b>one")
    assert printable(dict(environment(read_run(record), None))["task"]).startswith(said)
    (tmp_path / "elsewhere").write_text("secret")
    note.unlink()
    note.symlink_to(tmp_path / "elsewhere")
    assert rank(read_folders([record]), by="attempt").notes == {}
    assert dict(environment(read_run(record), None))["task"] == "moe_align"


@pytest.mark.parametrize("record", sorted(Path(ROOT, "tasks").glob("*/records/*"), key=str))
def test_a_record_whose_task_is_no_file_says_which_it_was(record: Path) -> None:
    for task, note in [(each.task, kept_note(record)) for each in read_state(record).verdicts]:
        named = re.search(r"tasks/(\w+)\.yaml", note)
        assert (ROOT / "tasks" / f"{task}.yaml").is_file() or (named and (ROOT / named[0]).is_file()), task
