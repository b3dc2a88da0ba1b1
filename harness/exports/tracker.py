"""Attempts in an MLflow tracking server: a run of MLflow's for each run of ours, and one below it for each attempt.

Every one carries a key made of its run's first event and its attempt, by which it is found again, and the digest of
what was logged, which is set last. So logging twice changes nothing, a verdict that has changed is brought up to
date, and what was cut short is finished.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from harness.board.publish import run_key
from harness.errors import InfrastructureError, UsageError
from harness.exports.attempts import Export, JudgedAttempt, attempts_of
from harness.exports.tracker_values import attempt_metrics, attempt_params, attempt_tags, run_metrics, run_params
from harness.report.build import write_report
from harness.report.material import read_run
from harness.store import RunFolder
from harness.strict_json import strict_json
from harness.temporary import temporary_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KEY = "perf_harness.key"
RUN = "perf_harness.run"
DIGEST = "perf_harness.logged"
_PARENT = "mlflow.parentRunId"
_NAME = "mlflow.runName"
_AT_ONCE = 500
# MLflow's own defaults try a dead server for minutes; and it tells its makers what it is used for unless asked not to.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@dataclass(frozen=True)
class _Entry:
    """What is logged in one run of MLflow's."""

    key: str
    name: str
    began_ms: int
    ended_ms: int
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]

    def digest(self) -> str:
        """Of everything in it."""
        content = [self.name, self.began_ms, self.ended_ms, self.params, self.metrics, self.tags]
        return hashlib.sha256(strict_json(content).encode()).hexdigest()


def log_runs(runs: Iterable[RunFolder], uri: str, experiment: str | None) -> Export:
    """Log runs and their judged attempts; controls and imported sessions are left out.

    Args:
        runs: which.
        uri: of the tracking server, or of an SQLite database.
        experiment: the name of MLflow's experiment; the task's by default.

    Raises:
        UsageError: the client is not installed.
        InfrastructureError: the server does not answer, or refuses.
    """
    shown = without_password(uri)
    export = Export("mlflow", shown, counts={"new": 0, "updated": 0, "unchanged": 0})
    with _client(uri, shown) as client:
        for folder in runs:
            attempts = [each for each in attempts_of([folder], export, controls=False) if each.verdict.was_judged]
            if attempts:
                _log_run(client, folder, attempts, experiment, export)
    return export


def _log_run(
    client: MlflowClient, folder: RunFolder, attempts: list[JudgedAttempt], experiment: str | None, export: Export
) -> None:
    where = _experiment(client, experiment or attempts[0].verdict.task)
    first = run_key(folder)
    ends = [_ms(each.verdict.finished_at) for each in attempts]
    started = attempts[0].state.started
    began = _ms(started.at) if started is not None else min(ends)
    verdicts = [each.verdict for each in attempts]
    # The report tells all of them, so it is made anew when any of them has changed.
    said = hashlib.sha256("".join(each.model_dump_json() for each in verdicts).encode()).hexdigest()
    tags = {"perf_harness.verdicts": said}
    entry = _Entry(first, folder.name, began, max(ends), run_params(verdicts[0]), run_metrics(verdicts), tags)
    tracker = _Tracker(client, where, first, export)
    parent, changed = tracker.log(entry, None)
    if changed:
        with temporary_folder("mlflow") as scratch:
            report = Path(scratch) / "report.html"
            write_report(read_run(folder), report)
            client.log_artifact(parent, str(report))
        client.set_tag(parent, DIGEST, entry.digest())
    for attempt in attempts:
        _log_attempt(tracker, attempt, parent)


def _log_attempt(tracker: _Tracker, attempt: JudgedAttempt, parent: str) -> None:
    verdict = attempt.verdict
    ended = _ms(verdict.finished_at)
    entry = _Entry(
        key=hashlib.sha256(f"{tracker.first}/{verdict.attempt}".encode()).hexdigest(),
        name=attempt.name,
        began_ms=ended - round(verdict.cost.seconds * 1000),
        ended_ms=ended,
        params=attempt_params(verdict),
        metrics=attempt_metrics(verdict),
        tags=attempt_tags(verdict),
    )
    run, changed = tracker.log(entry, parent)
    tracker.export.attempts += 1
    if not changed:
        return
    with temporary_folder("mlflow") as scratch:
        files = {"verdict.json": strict_json(verdict.model_dump(), indent=2).encode() + b"\n"}
        patch = attempt.patch()
        if patch:
            files["model_patch.diff"] = patch
        for name, content in files.items():
            (Path(scratch) / name).write_bytes(content)
            tracker.client.log_artifact(run, str(Path(scratch) / name))
    tracker.client.set_tag(run, DIGEST, entry.digest())


@dataclass
class _Tracker:
    """One run of ours in one experiment.

    Attributes:
        client: MLflow's.
        where: the experiment's id.
        first: the digest of the run's first event.
        export: told what was done.
    """

    client: MlflowClient
    where: str
    first: str
    export: Export

    @cached_property
    def known(self) -> dict[str, Run]:
        """What is there already, by its key."""
        found: dict[str, Run] = {}
        token = None
        while True:
            page = self.client.search_runs(
                [self.where], filter_string=f"tags.`{RUN}` = '{self.first}'", max_results=_AT_ONCE, page_token=token
            )
            found |= {str(run.data.tags.get(KEY)): run for run in page}
            token = page.token
            if not token:
                return found

    def log(self, entry: _Entry, parent: str | None) -> tuple[str, bool]:
        """MLflow's run for an entry, and whether anything in it had to be written. Sets no digest yet."""
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - not everybody has it

        found = self.known.get(entry.key)
        if found is not None and found.data.tags.get(DIGEST) == entry.digest():
            self.export.counts["unchanged"] += 1
            return str(found.info.run_id), False
        self.export.counts["updated" if found else "new"] += 1
        if found is not None:
            run = str(found.info.run_id)
        else:
            tags = {KEY: entry.key, RUN: self.first, _NAME: entry.name} | ({} if parent is None else {_PARENT: parent})
            run = str(self.client.create_run(self.where, start_time=entry.began_ms, tags=tags).info.run_id)
        # A value that has changed is a later one; those that are as they were are not written twice.
        before = found.data.metrics if found else {}
        at = int(time.time() * 1000) if found else entry.ended_ms
        metrics = [Metric(name, value, at, 0) for name, value in entry.metrics.items() if before.get(name) != value]
        for start in range(0, len(metrics), _AT_ONCE):
            self.client.log_batch(run, metrics=metrics[start : start + _AT_ONCE])
        params = [Param(name, value) for name, value in entry.params.items()]
        self.client.log_batch(run, params=params, tags=[RunTag(name, value) for name, value in entry.tags.items()])
        self.client.set_terminated(run, status="FINISHED", end_time=entry.ended_ms)
        self.export.rows += 1
        return run, True


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found is not None else client.create_experiment(name))


@contextmanager
def _client(uri: str, shown: str) -> Iterator[MlflowClient]:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient  # noqa: PLC0415 - not everybody has it
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "Logging to MLflow needs its client, which is not installed.", remedy="pip install 'perf-harness[mlflow]'"
        ) from error
    try:
        yield MlflowClient(tracking_uri=uri)
    except (MlflowException, ImportError) as error:
        said = str(error).strip().replace(uri, shown).splitlines()
        raise InfrastructureError(
            f"MLflow at {shown}: {said[0] if said else type(error).__name__}",
            remedy="Check that the server runs and may be written to; what was logged by then is not logged twice.",
        ) from error


def without_password(uri: str) -> str:
    """A URI as it may be shown."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}"))


def _ms(stamp: str) -> int:
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)
