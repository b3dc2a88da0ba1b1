"""Runs in MLflow: a real store, read back with its own client; and, where HARNESS_MLFLOW names it, its real server.

`make test-mlflow` installs the server (a gigabyte, which is why it is no part of what development needs).
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from records import HOSTILE, verdict, write_run
from synthetic_runs import write_synthetic_run
from test_cli import harness

from harness.events import AttemptFinished, AttemptStarted, RunResumed
from harness.exports.tracker import without_password
from harness.journal import Journal, read_events
from harness.run_state import fold
from harness.store import RunFolder

# Not imported to find out: that takes seconds, in every process that only collects tests.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow-skinny is not installed"),
]


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An SQLite store, whose artefacts go to a folder beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """MLflow's own tracking server on loopback."""
    program = os.environ.get("HARNESS_MLFLOW")
    if not program:
        pytest.skip("HARNESS_MLFLOW names no mlflow with its server")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = f"http://127.0.0.1:{port}"
    store = ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", f"{tmp_path}/served"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *store],
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            for _ in range(600):
                if process.poll() is not None:
                    pytest.fail((tmp_path / "server.log").read_text()[-2000:])
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield where
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)


def logged(uri: str, experiment: str = "moe_align") -> dict[str, Any]:
    """All runs of an experiment, by name."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], max_results=1000)
    by_name = {run.info.run_name: run for run in runs}
    assert len(by_name) == len(runs)
    return by_name


def artefacts(uri: str, run: Any) -> dict[str, bytes]:  # noqa: ANN401 - MLflow's
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    names = [each.path for each in client.list_artifacts(run.info.run_id)]
    return {name: Path(client.download_artifacts(run.info.run_id, name)).read_bytes() for name in names}


def check_logged(uri: str, folder: Path) -> None:
    run = write_synthetic_run(folder / "runs", 6, samples=6)
    verdicts = {f"{run.name}/{each.attempt}": each for each in fold(read_events(run.journal)).verdicts}
    ended = harness("export-data", "--to", "mlflow", "--tracking-uri", uri, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    assert "6 attempts; runs of MLflow's: 7 new, 0 updated, 0 unchanged" in ended.stdout
    found = logged(uri)
    assert found.keys() == {run.name, *verdicts}
    parent = found[run.name]
    assert parent.data.metrics["attempts"] == 6 and set(artefacts(uri, parent)) == {"report.html"}
    for name, judged in verdicts.items():
        one = found[name]
        assert one.info.status == "FINISHED" and one.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert (one.data.tags["status"], one.data.params["model"]) == (judged.status, judged.model)
        metrics = one.data.metrics
        if judged.speedup:
            assert metrics["speedup"] == judged.speedup.estimate and metrics["speedup_low"] == judged.speedup.low
            for item in judged.workloads:
                assert metrics[f"speedup_high/{item.name}"] == item.speedup.high
                assert metrics[f"candidate_us/{item.name}"] == item.candidate_us
        else:
            assert "speedup" not in metrics
        files = artefacts(uri, one)
        assert ("model_patch.diff" in files) == (judged.patch is not None) and b'"status"' in files["verdict.json"]

    again = harness("export-data", "--to", "mlflow", "--tracking-uri", uri, cwd=folder)
    assert "0 new, 0 updated, 7 unchanged" in again.stdout, again.stderr
    assert logged(uri).keys() == found.keys()
    check_updated(uri, folder, run)


def check_updated(uri: str, folder: Path, run: RunFolder) -> None:
    """A run that went on: one verdict changed, one attempt more."""
    state = fold(read_events(run.journal))
    first = state.verdicts[0]
    changed = first.model_copy(update={"status": "rejected", "cause": "background_work", "speedup": None})
    more = first.model_copy(update={"attempt": "007"})
    with Journal(run.journal) as journal:
        journal.append(RunResumed(at=first.finished_at, run=run.name, attempts=7, finished=6, harness_version="0.1.0"))
        for each in (changed, more):
            journal.append(AttemptStarted(at=first.finished_at, attempt=each.attempt or ""))
            journal.append(AttemptFinished(at=first.finished_at, attempt=each.attempt or "", verdict=each))
    ended = harness("export-data", run.name, "--to", "mlflow", "--tracking-uri", uri, cwd=folder)
    assert "1 new, 2 updated, 5 unchanged" in ended.stdout, ended.stderr
    found = logged(uri)
    assert len(found) == 8 and found[f"{run.name}/001"].data.tags["status"] == "rejected"
    assert found[run.name].data.metrics["attempts"] == 7


def test_logged_once_and_brought_up_to_date(sqlite: str, tmp_path: Path) -> None:
    check_logged(sqlite, tmp_path)


def test_the_real_server(server: str, tmp_path: Path) -> None:
    check_logged(server, tmp_path)


def test_what_was_cut_short_is_finished(sqlite: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    write_run(tmp_path / "runs", verdict())
    assert harness("export-data", "--to", "mlflow", "--tracking-uri", sqlite, cwd=tmp_path).returncode == 0
    client = MlflowClient(tracking_uri=sqlite)
    for run in logged(sqlite).values():
        client.delete_tag(run.info.run_id, "perf_harness.logged")  # the last thing that is written
    ended = harness("export-data", "--to", "mlflow", "--tracking-uri", sqlite, cwd=tmp_path)
    assert "0 new, 2 updated, 0 unchanged" in ended.stdout
    [attempt] = [run for name, run in logged(sqlite).items() if name.endswith("/001")]
    assert len(client.get_metric_history(attempt.info.run_id, "speedup")) == 1


def test_hostile_words_and_workloads(sqlite: str, tmp_path: Path) -> None:
    judged = verdict(message=HOSTILE, cause=HOSTILE, model=HOSTILE * 20)
    odd = judged.workloads[0].model_copy(update={"name": HOSTILE + "/../'; DROP"})
    write_run(tmp_path / "runs", judged.model_copy(update={"workloads": [odd]}))
    ended = harness("export-data", "--to", "mlflow", "--tracking-uri", sqlite, "--experiment", "it's", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(logged(sqlite, "it's")) == 2


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", verdict())
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://me:secret@127.0.0.1:{closed.getsockname()[1]}"
        began = time.monotonic()
        ended = harness("export-data", "--to", "mlflow", "--tracking-uri", uri, cwd=tmp_path)
    assert ended.returncode == 4 and "MLflow at http://me:***@127.0.0.1" in ended.stderr, ended.stderr
    assert "secret" not in ended.stderr + ended.stdout and "Traceback" not in ended.stderr
    assert time.monotonic() - began < 60


def test_a_password_is_not_shown() -> None:
    assert without_password("http://u:p@h:1/x?y") == "http://u:***@h:1/x?y"
    assert without_password("sqlite:///mlflow.db") == "sqlite:///mlflow.db"
