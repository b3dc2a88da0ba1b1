"""Runs for other tools: read back with the tools' own readers and held against the records."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from records import HOSTILE, story, verdict, write_run
from synthetic_runs import write_synthetic_run
from test_cli import harness

from harness.exports.predictions import write_predictions
from harness.exports.samples import COLUMNS, write_samples
from harness.exports.sessions import write_sessions
from harness.journal import read_events
from harness.run_state import fold
from harness.store import RunFolder, find_runs

ROOT = Path(__file__).resolve().parents[2]


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_predictions_of_all_attempts(tmp_path: Path) -> None:
    run = write_synthetic_run(tmp_path / "runs", 20, samples=0)
    export = write_predictions([run], tmp_path / "all.jsonl", best=False)
    found = lines(tmp_path / "all.jsonl")
    verdicts = fold(read_events(run.journal)).verdicts
    assert len(found) == export.rows == len(verdicts) == 20
    for line, judged in zip(found, verdicts, strict=True):
        assert line["instance_id"] == "moe_align" and line["model_name_or_path"] == f"loop__{judged.model}"
        expected = run.attempt(judged.attempt or "").patch.read_text() if judged.patch else ""
        assert line["model_patch"] == expected
    assert any(line["model_patch"] == "" for line in found) and "--best" in export.notes[0]
    assert not list(tmp_path.glob(".all*"))


def test_the_best_of_each_model(tmp_path: Path) -> None:
    run = write_synthetic_run(tmp_path / "runs", 20, samples=0)
    export = write_predictions([run], tmp_path / "best.jsonl", best=True)
    found = {line["model_name_or_path"]: line["attempt"] for line in lines(tmp_path / "best.jsonl")}
    assert len(found) == export.rows == 2 and not export.notes
    for name, attempt in found.items():
        wins = {
            each.attempt: each.speedup.low
            for each in fold(read_events(run.journal)).verdicts
            if each.status == "faster" and each.speedup and f"loop__{each.model}" == name
        }
        assert wins[attempt] == max(wins.values())


def test_what_cannot_be_a_prediction_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", verdict(run="a"), diff="gone").attempt("001").patch.unlink()
    write_run(tmp_path / "runs", verdict(run="b")).attempt("001").patch.write_bytes(b"+caf\xe9\n")
    write_run(tmp_path / "runs", verdict("same", 1.0, run="c", agent="placebo"))
    write_run(tmp_path / "runs", verdict(run="d"))
    (tmp_path / "runs" / "d" / "journal.jsonl").write_text("nonsense\nmore\n")
    secret = tmp_path / "secret"
    secret.write_text("not a patch")
    elsewhere = verdict(run="e").model_dump()
    elsewhere["patch"]["path"] = "../../secret"
    write_run(tmp_path / "runs", verdict(**{key: elsewhere[key] for key in ("run", "patch")}), diff="the patch")
    linked = write_run(tmp_path / "runs", verdict(run="f")).attempt("001").patch
    linked.unlink()
    linked.symlink_to(secret)
    export = write_predictions(find_runs(tmp_path / "runs"), tmp_path / "some.jsonl", best=False)
    assert [line["model_patch"] for line in lines(tmp_path / "some.jsonl")] == ["the patch"]
    assert len(export.left_out) == 4
    text = "\n".join(export.left_out)
    assert "a/001: its patch is gone" in text and "b/001: its patch is not UTF-8" in text and "journal.jsonl:1" in text


def test_all_sessions_of_a_run(tmp_path: Path) -> None:
    run = write_synthetic_run(tmp_path / "runs", 5, samples=0)
    run.attempt("003").trajectory.unlink()
    export = write_sessions([run], tmp_path / "sessions")
    names = sorted(path.name for path in (tmp_path / "sessions").iterdir())
    assert names == [f"{run.name}.{number}.json" for number in ("001", "002", "004", "005")]
    document = json.loads((tmp_path / "sessions" / names[0]).read_text())
    assert document["schema_version"].startswith("ATIF") and document["steps"]
    assert document["session_id"] == f"{run.name}/001"
    assert export.rows == 4 and f"{run.name}/003 has no session" in export.left_out[0]


def test_samples_are_the_records_own(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = write_synthetic_run(tmp_path / "runs", 12, samples=100)
    export = write_samples([run], tmp_path / "samples.parquet")
    table = parquet.read_table(tmp_path / "samples.parquet")
    timed = [each for each in fold(read_events(run.journal)).verdicts if each.timing]
    assert export.attempts == len(timed) > 2 and table.num_rows == export.rows
    assert parquet.ParquetFile(tmp_path / "samples.parquet").num_row_groups == len(timed)
    assert [table.schema.field(name).nullable for name in ("run", "model")] == [False, True]
    rows = table.to_pylist()
    for judged in timed:
        kept = json.loads(run.attempt(judged.attempt or "").samples.read_text())
        for measurement in ("selection", "confirmation"):
            mine = [row for row in rows if (row["attempt"], row["measurement"]) == (judged.attempt, measurement)]
            samples = kept[measurement]["samples"]
            assert len(mine) == 2 * len(samples)
            for sample, base, candidate in zip(samples, mine[::2], mine[1::2], strict=True):
                assert (base["arm"], candidate["arm"]) == ("base", "candidate")
                assert (base["call_us"], candidate["call_us"]) == (sample["base_us"], sample["candidate_us"])
                assert candidate["call_worker_us"] == sample["candidate_worker_us"]
                assert candidate["ran_first"] == sample["candidate_first"] != base["ran_first"]
                assert (base["session"], base["workload"]) == (sample["session"], sample["workload"])
                assert base["pair"] == candidate["pair"] < 10 and base["calls"] == sample["calls"]
                assert base["held_out"] == ("zipf" in sample["workload"])
                assert (base["status"], base["model"], base["device"]) == (judged.status, judged.model, "Example CPU")


def test_the_schema_is_the_one_in_the_docs(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_samples([], tmp_path / "none.parquet")
    schema = parquet.read_schema(tmp_path / "none.parquet")
    types = {"word": "dictionary<values=string, indices=int32, ordered=0>", "flag": "bool"}
    types |= {"count": "int32", "number": "double"}
    assert [(field.name, str(field.type)) for field in schema] == [(each.name, types[each.kind]) for each in COLUMNS]
    documented = re.findall(
        r"^\| `(\w+)` \| (\w+) \| (.*) \|$", (ROOT / "docs" / "exports.md").read_text(), flags=re.MULTILINE
    )
    kinds = {"word": "string", "flag": "bool", "count": "int32", "number": "float64"}
    assert documented == [(each.name, kinds[each.kind], each.meaning) for each in COLUMNS]


def test_damaged_samples_are_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    run = write_run(tmp_path / "runs", verdict())
    for content in ("", "[1, 2]", '{"selection": {"samples": 3}}'):
        run.attempt("001").samples.write_text(content)
        export = write_samples([run], tmp_path / "samples.parquet")
        assert export.rows == 0 and "cannot be read" in export.left_out[0]


@pytest.mark.slow
def test_a_thousand_attempts_need_no_more_memory_than_a_few(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    code = (
        "import sys, resource; from pathlib import Path; from harness.store import RunFolder\n"
        "from harness.exports.samples import write_samples\n"
        "done = write_samples([RunFolder(Path(sys.argv[1]))], Path(sys.argv[2]))\n"
        "print(done.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    found = []
    for count in (30, 1000):
        run = write_synthetic_run(tmp_path / str(count), count, samples=count)
        target = tmp_path / f"{count}.parquet"
        ended = subprocess.run(
            [sys.executable, "-c", code, str(run.path), str(target)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append([int(word) for word in ended.stdout.split()])
    (few_rows, few_kb), (many_rows, many_kb) = found
    assert many_rows > 20 * few_rows
    # The journal of a thousand attempts is read whole; their samples, ten times as much, are not.
    assert many_kb - few_kb < 100_000


def test_the_verb(tmp_path: Path) -> None:
    run = write_synthetic_run(tmp_path / "runs", 3, samples=3)
    ended = harness("export-data", "--to", "predictions", cwd=tmp_path)
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 3 and "3 predictions" in ended.stderr
    assert "1 prediction\n" in harness("export-data", "--to", "predictions", "--best", cwd=tmp_path).stderr
    ended = harness("export-data", run.name, "--to", "atif", "-o", "out", "--json", cwd=tmp_path)
    assert json.loads(ended.stdout)["rows"] == 3 and len(list((tmp_path / "out").iterdir())) == 3
    for arguments, words in {
        ("--to", "parquet", "--best"): "--best goes with",
        ("--to", "mlflow"): "--tracking-uri",
        ("--to", "mlflow", "-o", "x", "--tracking-uri", "sqlite:///x"): "leave -o out",
        ("--to", "atif", "--experiment", "x"): "--experiment goes with",
        ("--to", "parquet", "nothing"): "There is no run nothing",
        ("--to", "atif", "-o", "runs/" + run.name + "/journal.jsonl"): "A file stands where a folder is needed",
        ("--to", "parquet", "-o", "missing/samples.parquet"): "Cannot write",
    }.items():
        ended = harness("export-data", *arguments, cwd=tmp_path)
        assert ended.returncode in (2, 4) and words in ended.stderr and "Traceback" not in ended.stderr, arguments


def test_a_missing_extra_names_the_command(tmp_path: Path) -> None:
    write_synthetic_run(tmp_path / "runs", 1, samples=1)
    for package, form in (("pyarrow", "parquet"), ("mlflow", "mlflow")):
        code = (
            f"import sys; sys.modules[{package!r}] = None; sys.argv = ['harness', 'export-data', '--to', {form!r}]\n"
            "sys.argv += ['--tracking-uri', 'sqlite:///x'] * (sys.argv[-1] == 'mlflow')\n"
            "from harness.cli import main; main()"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        )  # fmt: skip
        assert ended.returncode == 2 and f"pip install 'perf-harness[{form}]'" in ended.stderr
        assert not list(tmp_path.glob("*.parquet")) and not list(tmp_path.glob(".*parquet*"))


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    judged = verdict("agent_failed", message=HOSTILE, cause=HOSTILE, model=HOSTILE, patch=None)
    run = write_run(tmp_path / "runs", judged, story(judged, text=HOSTILE), diff="")
    write_predictions([run], tmp_path / "all.jsonl", best=False)
    assert len(lines(tmp_path / "all.jsonl")) == 1
    assert isinstance(run, RunFolder)
