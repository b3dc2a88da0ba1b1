"""Every raw timing sample of runs as one Parquet file: a row for each sample of each arm.

One attempt is read, written and forgotten before the next, as a row group of its own, so that a thousand of them
need no more memory than the largest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import UsageError
from harness.exports.attempts import Export, JudgedAttempt, attempts_of
from harness.report.material import is_plain
from harness.store import RunFolder
from harness.timing.measurement import Measurement
from harness.whole_file import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "1"
Kind = Literal["word", "flag", "count", "number"]


@dataclass(frozen=True)
class Column:
    """A column: its type is a dictionary of strings for `word`; bool, int32 and float64 for the others."""

    name: str
    kind: Kind
    meaning: str
    may_be_null: bool = False


COLUMNS = (
    Column("run", "word", "name of the run"),
    Column("attempt", "word", "name of the attempt in it"),
    Column("task", "word", "name of the task"),
    Column("agent", "word", "who edited; `placebo` and `reference` are controls"),
    Column("model", "word", "the model it asked", may_be_null=True),
    Column("status", "word", "of the attempt's verdict"),
    Column("device", "word", "what it was timed on", may_be_null=True),
    Column("patch_sha256", "word", "of the patch", may_be_null=True),
    Column("measurement", "word", "`selection`, or `confirmation`, which is the published one where it is there"),
    Column("workload", "word", "name of the workload"),
    Column("held_out", "flag", "whether the agent was never shown it"),
    Column("session", "count", "pair of fresh processes, from 0 in each measurement"),
    Column("pair", "count", "of samples taken one after the other, from 0 in each session and workload"),
    Column("arm", "word", "`base` or `candidate`"),
    Column("ran_first", "flag", "whether this arm was the first of its pair"),
    Column("calls", "count", "calls in the sample"),
    Column("call_us", "number", "microseconds a call by the referee's clock: what verdicts are made of"),
    Column("call_worker_us", "number", "the same by the worker's own clock: a cross-check, used for no result"),
)


def schema() -> pa.Schema:
    """The file's schema; every column's metadata has its meaning.

    Raises:
        UsageError: pyarrow is not installed.
    """
    pa, _ = _pyarrow()
    types = {
        "word": pa.dictionary(pa.int32(), pa.string()),
        "flag": pa.bool_(),
        "count": pa.int32(),
        "number": pa.float64(),
    }
    fields = [
        pa.field(each.name, types[each.kind], nullable=each.may_be_null, metadata={"meaning": each.meaning})
        for each in COLUMNS
    ]
    return pa.schema(fields, metadata={"perf_harness.samples_format": FORMAT})


def write_samples(runs: Iterable[RunFolder], target: Path) -> Export:
    """Write the samples of every attempt that was timed, controls included.

    Raises:
        UsageError: pyarrow is not installed.
        StorageError: the file cannot be written.
    """
    pa, parquet = _pyarrow()
    export = Export("parquet", str(target))
    wanted = schema()
    with whole_file(target, "-o") as place, parquet.ParquetWriter(place, wanted, compression="zstd") as writer:
        for attempt in attempts_of(runs, export, controls=True):
            if attempt.verdict.timing is None:
                continue
            measured = _measured(attempt)
            if measured is None:
                export.left_out.append(f"{attempt.name}: {attempt.folder.samples} cannot be read.")
                continue
            columns: dict[str, list[Any]] = {column.name: [] for column in COLUMNS}
            for row in _rows(attempt, measured):
                for name, value in row.items():
                    columns[name].append(value)
            writer.write_table(pa.table(columns, schema=wanted))
            export.rows += len(columns["run"])
            export.attempts += 1
    return export


def _rows(attempt: JudgedAttempt, measured: dict[str, Measurement]) -> Iterator[dict[str, Any]]:
    verdict = attempt.verdict
    same = {
        "run": attempt.run.name,
        "attempt": verdict.attempt,
        "task": verdict.task,
        "agent": verdict.agent,
        "model": verdict.model,
        "status": verdict.status,
        "device": verdict.device.name if verdict.device else None,
        "patch_sha256": verdict.patch.sha256 if verdict.patch else None,
    }
    for name, measurement in measured.items():
        held_out = {each.name: each.held_out for each in measurement.workloads}
        pairs: dict[tuple[int, str], int] = {}
        for sample in measurement.samples:
            key = (sample.session, sample.workload)
            pairs[key] = pairs.get(key, -1) + 1
            for arm, us, worker_us in (
                ("base", sample.base_us, sample.base_worker_us),
                ("candidate", sample.candidate_us, sample.candidate_worker_us),
            ):
                yield same | {
                    "measurement": name,
                    "workload": sample.workload,
                    "held_out": held_out.get(sample.workload, False),
                    "session": sample.session,
                    "pair": pairs[key],
                    "arm": arm,
                    "ran_first": sample.candidate_first == (arm == "candidate"),
                    "calls": sample.calls,
                    "call_us": us,
                    "call_worker_us": worker_us,
                }


def _measured(attempt: JudgedAttempt) -> dict[str, Measurement] | None:
    """The attempt's measurements by name; None where they cannot be read."""
    path = attempt.folder.samples
    try:
        if not is_plain(path):
            return None
        kept = json.loads(path.read_bytes())
        return {
            name: Measurement.model_validate(kept[name]) for name in ("selection", "confirmation") if kept.get(name)
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - not everybody has it
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed.", remedy="pip install 'perf-harness[parquet]'"
        ) from error
    return pa, parquet
