"""The record's reference figures and the documentation's tables are what lies in the record's folder, and no older."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from records import interval, verdict

from benchmarks.moe_align_figures import (
    RECORD,
    VLLM_RECORD,
    VLLM_TITLE,
    layer_tables,
    references,
    shapes_table,
    verdict_table,
)
from benchmarks.moe_align_published import ANCHORS, BEST, SHAPES, TRITON, VLLM
from benchmarks.moe_align_tables import BEGIN, END, by_shape, summary, verdicts, whole, with_tables
from harness.references import load_references
from harness.task_file import load_task
from harness.text import interval_text
from harness.verdict_folder import read_state

ROOT = Path(__file__).resolve().parents[2]


def test_nothing_is_out_of_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.moe_align_record", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}`make records` writes them anew"


def test_the_device_task_names_them_and_every_attempt_is_in_them() -> None:
    file = load_task(str(ROOT / "tasks" / "moe_align_device.yaml")).references
    assert file == RECORD / "references.json"
    labels = " ".join(row.label for row in load_references(file).tables[0].rows)
    for attempt in RECORD.glob("*/verdict.json"):
        assert attempt.parent.name in labels, f"{attempt.parent.name} is not in thirteen_shapes.json"


def a_benchmark(**columns: float) -> dict[str, Any]:
    """What `benchmarks.moe_align` says, the same time for every shape."""
    times = {name.replace("_", "-"): [us] * len(SHAPES) for name, us in columns.items()}
    return {
        "device": "H100",
        "torch": "2.11",
        "cuda": "13.0",
        "shapes": [list(shape) for shape in SHAPES],
        "microseconds": {"published: one": [1.0] * len(SHAPES), **times},
    }


def test_the_ratios_are_those_that_were_published() -> None:
    """The research that the anchors are from gives 3.6 for vLLM 0.33 and 12.9 for the best of every column."""
    table = shapes_table(a_benchmark(base=18.0, first=4.0), None)
    rows = {row.label: row for row in table.rows}
    assert table.base is rows[TRITON.name]
    assert table.ratio(rows[VLLM.name]) == pytest.approx(3.6, abs=0.05)
    assert table.ratio(rows[BEST.name]) == pytest.approx(12.9, abs=0.05)
    assert not table.is_elsewhere(rows[VLLM.name]) and table.is_elsewhere(rows["the bundled base"])
    assert all(len(anchor.times) == len(SHAPES) for anchor in ANCHORS)


def test_where_vllms_own_file_was_measured_too_ratios_are_to_that() -> None:
    table = shapes_table(a_benchmark(base=18.0, first=4.0), a_benchmark(base=40.0, **{"001_an_earlier_patch": 40.0}))
    labels = [row.label for row in table.rows[-4:]]
    assert labels == [f"{TRITON.name}, here", "vLLM's file, an earlier patch", "the bundled base", "first, the record"]
    record = table.rows[-1]
    assert table.ratio(record) == pytest.approx(10.0) and not table.is_elsewhere(record)
    assert all(table.is_elsewhere(row) for row in table.rows if row.kind == "published")
    text = summary(table)
    assert f"| {TRITON.name}, here | measured | 40.00 |" in text and "| 10.0x |" in text
    story = by_shape(table)
    assert "first, the record" in story and "an earlier patch" not in story
    assert "takes 1/10.0 of the four\nkernels' time as measured on the same machine (40.00 us)" in story


def test_the_tables_say_the_same_as_the_figures() -> None:
    [table, *_] = references(RECORD, VLLM_RECORD).tables
    record = table.rows[-1]
    assert record.label.endswith(", the record")
    place = table.columns.index("4096x2, 64, 128")
    figure = f"{record.values[place]:.2f}"
    [line] = [line for line in by_shape(table).splitlines() if line.startswith("| 4096x2, 64, 128 |")]
    assert line.rpartition(" | ")[2] in (f"{figure} |", f"**{figure}** |")
    [line] = [line for line in summary(table).splitlines() if line.startswith(f"| {record.label} |")]
    assert f"| measured | {figure} |" in line


def test_a_document_without_marks_is_refused() -> None:
    marked = f"before\n{BEGIN.format(name='a')}\nold\n{END}\nafter\n"
    assert with_tables(marked, {"a": "new"}, Path("x.md")).splitlines()[2:6] == ["", "new", "", END]
    with pytest.raises(ValueError, match=r"x\.md: there is no <!-- made by make records: b"):
        with_tables(marked, {"b": "new"}, Path("x.md"))


def test_the_story_beside_the_record_tells_its_verdicts() -> None:
    story = (RECORD / "README.md").read_text()
    for attempt, state in read_state(RECORD).attempts.items():
        assert state.verdict is not None and state.verdict.speedup is not None and state.verdict.status == "faster"
        row = f"| [{attempt}]({attempt}) | {interval_text(state.verdict.speedup)} |"
        assert row in story, f"{RECORD / 'README.md'} needs the row {row} what was learnt |"


def test_attempts_at_two_tasks_are_not_ranked_together(tmp_path: Path) -> None:
    for name, task in (("001-first", "moe_align_device_six"), ("002-second", "moe_align_device")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdict.json").write_text(verdict(task=task).model_dump_json())
    text = verdicts(tmp_path)
    assert text.index("Task `moe_align_device` on") < text.index("| 1 | 002-second") < text.index("| 1 | 001-first")
    assert text.count("against itself") == 2


def test_a_verdict_without_a_speedup_is_in_no_table(tmp_path: Path) -> None:
    (tmp_path / "001-wrong").mkdir()
    (tmp_path / "001-wrong" / "verdict.json").write_text(verdict("incorrect").model_dump_json())
    assert VLLM_TITLE not in [table.title for table in references(RECORD, tmp_path).tables]
    (tmp_path / "002-right").mkdir()
    (tmp_path / "002-right" / "verdict.json").write_text(verdict().model_dump_json())
    found = references(RECORD, tmp_path).tables[-1]
    assert (found.title, [row.label for row in found.rows]) == (VLLM_TITLE, ["right", "the file as it is"])


def a_layer() -> dict[str, Any]:
    """What `benchmarks.moe_layer` writes, of two sizes."""

    def percent(estimate: float) -> dict[str, float]:
        return {"estimate": estimate, "low": estimate - 0.2, "high": estimate + 0.2}

    def size(model: str, tokens: int) -> dict[str, Any]:
        base = {"alignment": "base", "layer_us": 120.0, "share_percent": percent(9.0), "gain_percent": None}
        fast = {
            "alignment": "006-fast",
            "layer_us": 112.0,
            "share_percent": percent(0.1),
            "gain_percent": percent(7.5),
        }
        return {"model": model, "tokens": tokens, "given_us": 110.0, "alignments": [base, fast]}

    return {
        "rows": [size("small", 1), size("small", 4096), size("large", 4096)],
        "device": {"kind": "cuda", "name": "H100", "versions": {"torch": "2.11"}, "now": {"sm_mhz": 1980}},
        "method": "In turns. " * 100,
        "command": "python -m benchmarks.moe_layer",
    }


def test_a_layers_times_become_shares_gains_and_times() -> None:
    shares, gains, times = tables = layer_tables(json.loads(json.dumps(a_layer())))
    assert shares.columns == ["1 token", "4096 tokens"] and shares.machine == "H100, torch 2.11"
    assert [row.label for row in shares.rows][1:3] == ["small: 006-fast", "large: the bundled base"]
    assert shares.rows[2].values[0] is None and shares.overall(shares.rows[0]) is None  # a mean of shares says nothing
    assert "| small: 006-fast | 0.10 [-0.10, 0.30] | 0.10 [-0.10, 0.30] |" in whole(tables)
    assert whole(tables).count("$ python -m benchmarks.moe_layer") == 1 and whole([]) == ""
    assert [row.label for row in gains.rows] == ["small: 006-fast", "large: 006-fast"]
    assert times.rows[2].label == "small: no time for alignment" and times.rows[2].values == [110.0, 110.0]


def test_a_size_with_a_share_that_cannot_be_is_marked_wherever_it_is_shown() -> None:
    assert "no claim" not in whole(layer_tables(a_layer()))
    found = a_layer()
    found["rows"][1]["alignments"][1]["share_percent"] = {"estimate": -1.0, "low": -1.2, "high": -0.8}
    for table in layer_tables(found):
        assert table.columns == ["1 token", "4096 tokens (no claim)"] and "cannot be" in table.measured


def test_a_table_of_verdicts_is_told_with_their_words() -> None:
    text = whole([verdict_table([verdict("same", speedup=1.0, run="h100", attempt="001-seed-patch")])])
    assert "| seed patch (same) |" in text and "geo. mean" in text and "| 1.00 [0.95, 1.05] |" in text


def test_verdicts_of_another_target_become_a_table_with_their_intervals() -> None:
    same = verdict("same", speedup=1.0, run="h100", attempt="001-seed-patch")
    fast = verdict(run="h100", attempt="002-record", speedup=7.0)
    table = verdict_table([same, fast])
    assert [(row.label, row.kind, row.note) for row in table.rows] == [
        ("seed patch", "verdict", "same"),
        ("record", "verdict", "faster"),
        ("the file as it is", "verdict", None),
    ]
    assert table.columns == ["decode-1", "prefill-16k"]
    mean = table.overall(table.rows[1])
    assert not isinstance(mean, float) and mean is not None
    assert (mean.estimate, mean.low, mean.high) == tuple(
        pytest.approx(each, abs=1e-4) for each in interval(7.0).model_dump().values()
    )
