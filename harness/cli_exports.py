"""The verb that hands runs to other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli_options import LOOK, Json, Out
from harness.printing import complain, print_json

if TYPE_CHECKING:
    from harness.exports.attempts import Export
    from harness.store import RunFolder


class Form(StrEnum):
    """What runs can be exported as."""

    predictions = "predictions"
    atif = "atif"
    parquet = "parquet"
    mlflow = "mlflow"


_DEFAULTS = {Form.predictions: Path("-"), Form.atif: Path("sessions"), Form.parquet: Path("samples.parquet")}


def add_verbs(app: typer.Typer) -> None:
    """Add it to the command line."""
    app.command("export-data", rich_help_panel=LOOK)(export_data)


def export_data(
    to: Annotated[
        Form,
        typer.Option(
            help="predictions: patches as SWE-bench's JSONL. atif: every session, a file each. parquet: every raw "
            "timing sample. mlflow: verdicts, patches and reports to a tracking server."
        ),
    ],
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Only these; all by default.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="PATH", help="Default: standard output, sessions/ or samples.parquet, by form."
        ),
    ] = None,
    best: Annotated[
        bool, typer.Option("--best", help="predictions: of each task, agent and model the best-judged attempt only.")
    ] = False,
    tracking_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", envvar="MLFLOW_TRACKING_URI", help="mlflow: http://HOST:PORT, or sqlite:///FILE."),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="mlflow: its experiment; the task's name by default.")
    ] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Write runs in forms that other tools read: predictions, sessions, a table of samples, an experiment tracker."""
    from harness.find_run import find_run  # noqa: PLC0415 - brings in pydantic
    from harness.store import find_runs  # noqa: PLC0415

    _require_fit(to, output, tracking_uri, best=best, experiment=experiment)
    folders = [find_run(out, name) for name in runs] if runs else find_runs(out)
    if not folders:
        complain(f"No runs in {out} yet. Start one with: harness run moe_align")
    target = output or _DEFAULTS.get(to, Path())
    done = _export(to, folders, target, best=best, uri=tracking_uri or "", experiment=experiment)
    quiet = str(target) == "-" and to is Form.predictions
    if json and not quiet:
        print_json(vars(done))
    else:
        complain(_sentence(done)) if quiet else typer.echo(_sentence(done))
    for sentence in done.notes:
        complain(sentence)
    for problem in done.left_out:
        complain(f"left out: {problem}")


def _require_fit(to: Form, output: Path | None, uri: str | None, *, best: bool, experiment: str | None) -> None:
    from harness.errors import UsageError  # noqa: PLC0415

    if best and to is not Form.predictions:
        raise UsageError("--best goes with --to predictions.")
    if experiment is not None and to is not Form.mlflow:
        raise UsageError("--experiment goes with --to mlflow.")
    if to is Form.mlflow and output is not None:
        raise UsageError("--to mlflow writes to a server: say which with --tracking-uri, and leave -o out.")
    if to is Form.mlflow and not uri:
        raise UsageError(
            "--to mlflow needs to know where to.",
            remedy="Name it with --tracking-uri or MLFLOW_TRACKING_URI: http://127.0.0.1:5000, sqlite:///mlflow.db.",
        )


def _export(to: Form, runs: list[RunFolder], target: Path, *, best: bool, uri: str, experiment: str | None) -> Export:
    if to is Form.predictions:
        from harness.exports.predictions import write_predictions  # noqa: PLC0415

        return write_predictions(runs, target, best=best)
    if to is Form.atif:
        from harness.exports.sessions import write_sessions  # noqa: PLC0415

        return write_sessions(runs, target)
    if to is Form.parquet:
        from harness.exports.samples import write_samples  # noqa: PLC0415

        return write_samples(runs, target)
    from harness.exports.tracker import log_runs  # noqa: PLC0415

    return log_runs(runs, uri, experiment)


def _sentence(done: Export) -> str:
    from harness.text import counted  # noqa: PLC0415 - brings in pydantic

    attempts = counted(done.attempts, "attempt")
    what = {
        "predictions": counted(done.rows, "prediction"),
        "atif": counted(done.rows, "session"),
        "parquet": f"{counted(done.rows, 'row')}, the samples of {attempts}",
        "mlflow": f"{attempts}; runs of MLflow's: "
        + ", ".join(f"{count} {name}" for name, count in done.counts.items()),
    }
    return f"{'standard output' if done.where == '-' else done.where}: {what[done.form]}"
