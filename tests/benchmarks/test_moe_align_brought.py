"""What is brought into the record for MoE alignment: looked at first, and nothing is written where it is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from records import verdict

from benchmarks.moe_align_brought import LayerSaid, LimitsSaid, ShapesSaid, keep, last_line
from benchmarks.moe_align_figures import LAYER, LIMITS, RECORD, SHAPES_FILE, VLLM_RECORD
from harness.verdict_folder import read_state

ROOT = Path(__file__).resolve().parents[2]


def test_an_attempt_is_kept_in_the_record_of_its_task(tmp_path: Path) -> None:
    run, moe_align, vllm = tmp_path / "run", tmp_path / "moe_align", tmp_path / "vllm"
    for name, task in (("001", "moe_align_device_six"), ("002", "vllm_moe_align")):
        (run / name).mkdir(parents=True)
        (run / name / "model_patch.diff").write_text(f"patch {name}")
        (run / name / "verdict.json").write_text(verdict(attempt=name, task=task).model_dump_json())
    keep(run / "001", "001-first", moe_align, vllm)
    keep(run / "002", "001-session", moe_align, vllm)
    keep(run / "001", "002-second", moe_align, vllm)
    assert (moe_align / "reference.diff").read_text() == "patch 001"
    assert sorted(read_state(moe_align).attempts) == ["001-first", "002-second"]
    assert sorted(path.name for path in vllm.iterdir()) == ["001-session"]


@pytest.mark.parametrize(
    ("name", "task", "left_out", "told"),
    [
        ("007-x", "moe_align", "verdict.json", "no judged attempt"),
        ("007-x", "moe_align", "model_patch.diff", "there is no model_patch.diff"),
        ("../007-x", "moe_align", "", "is no name for an attempt"),
        ("newest", "moe_align", "", "is no name for an attempt"),
        ("007-x", "tokens", "", "is an attempt at tokens"),
    ],
)
def test_what_is_no_attempt_for_the_record_is_not_kept(
    tmp_path: Path, name: str, task: str, left_out: str, told: str
) -> None:
    run, record = tmp_path / "run", tmp_path / "record"
    run.mkdir()
    for file, text in (("model_patch.diff", "patch"), ("verdict.json", verdict(task=task).model_dump_json())):
        if file != left_out:
            (run / file).write_text(text)
    with pytest.raises(ValueError, match=told):
        keep(run, name, record, record)
    assert not record.exists()


def test_the_last_line_that_is_of_the_benchmark_is_taken(tmp_path: Path) -> None:
    said = (RECORD / SHAPES_FILE).read_text().strip()
    printed = tmp_path / "shapes.txt"
    printed.write_text(f"base   9.89  10.99\n{{ not JSON\n{said}\n\n")
    assert last_line(printed, "microseconds", ShapesSaid) == said
    with pytest.raises(ValueError, match=r"shapes\.txt: no line of it is JSON with 'rows'"):
        last_line(printed, "rows", LimitsSaid)


def test_what_the_record_has_is_what_the_benchmarks_say() -> None:
    for file, key, wanted in (
        (RECORD / SHAPES_FILE, "microseconds", ShapesSaid),
        (VLLM_RECORD / SHAPES_FILE, "microseconds", ShapesSaid),
        (RECORD / LAYER, "rows", LayerSaid),
        (RECORD / LIMITS, "rows", LimitsSaid),
    ):
        assert json.loads(last_line(file, key, wanted))


@pytest.mark.parametrize(
    ("option", "text", "told"),
    [
        ("--shapes", '{"microseconds": {"base": [1]}}', "device: Field required"),
        ("--vllm-shapes", '["microseconds"]', "no line of it is JSON with 'microseconds'"),
        ("--layer", '{"rows": []}', "method: Field required"),
        ("--limits", '{"rows": []}', "rows: List should have at least 1 item"),
        ("--limits", '{"rows": ', "no line of it is JSON with 'rows'"),
        ("--shapes", None, "cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_no_file(
    tmp_path: Path, option: str, text: str | None, told: str
) -> None:
    file = tmp_path / "said.json"
    if text is not None:
        file.write_text(text)
    before = {each: each.read_bytes() for each in (*RECORD.glob("*.json"), *VLLM_RECORD.glob("*.json"))}
    said = benchmark("moe_align_record", option, str(file))
    assert said.returncode == 2 and f"error: {file}: {told}" in said.stderr and "Traceback" not in said.stderr
    assert {each: each.read_bytes() for each in before} == before


@pytest.mark.parametrize("name", ["moe_align", "vllm_moe_align", "moe_layer", "moe_limits"])
def test_a_benchmark_says_in_a_sentence_what_it_lacks(name: str) -> None:
    said = benchmark(name)
    assert said.returncode == 2 and "error: needs a CUDA GPU" in said.stderr and "Traceback" not in said.stderr


def test_a_patch_that_is_not_there_is_named() -> None:
    assert "error: there is no patch nowhere.diff" in benchmark("moe_align", "nowhere.diff").stderr


def test_patches_of_one_name_are_not_timed_under_it(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder / "001").mkdir(parents=True)
        (tmp_path / folder / "001" / "model_patch.diff").write_text("")
    patches = [str(path) for path in tmp_path.glob("*/001/model_patch.diff")]
    assert "names must differ from each other and from base: base, 001, 001" in benchmark("moe_align", *patches).stderr


def benchmark(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A benchmark as its user calls it, on a machine whose GPUs, if it has any, it does not see."""
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
