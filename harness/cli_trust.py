"""The verbs that say whether a task and a machine can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli_options import CODE_FASTER, Json, SandboxKind, Seed, Worktrees
from harness.errors import INTERRUPTED
from harness.printing import complain, print_json, print_parts


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    for verb in (check, calibrate):
        app.command(rich_help_panel=CODE_FASTER)(verb)


def check(
    task: Annotated[str, typer.Argument(help="A task file, or the name of a bundled task.")],
    worktrees: Worktrees = Path("worktrees"),
    sandbox: SandboxKind = "auto",
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Admit or refuse a task: does its base build and pass, can its tests fail, does cheating get nothing?

    Exits 0 when the task is admitted, 2 when it is refused.
    """
    from harness.check import check_task  # noqa: PLC0415
    from harness.check_display import report_table, watching_checks  # noqa: PLC0415
    from harness.strict_json import strict_json  # noqa: PLC0415

    report = check_task(task, worktrees, seed, watching_checks(), sandbox=sandbox)
    if json:
        typer.echo(strict_json(report.model_dump()))
    else:
        print_parts(report_table(report))
    raise typer.Exit(0 if report.admitted else 2)


def calibrate(
    task: Annotated[str | None, typer.Argument(help="Whose base is timed; a small built-in bench by default.")] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="A/A trials; those with an injected change get as many together.")
    ] = 200,
    seconds: Annotated[float | None, typer.Option(min=1, metavar="S", help="Stop by then; keep what is done.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the report there as well.")] = None,
    device: Annotated[str, typer.Option(help="Of the built-in bench: auto, cpu or cuda.")] = "auto",
    mode: Annotated[str, typer.Option(help="Of the built-in bench: latency, throughput or device.")] = "latency",
    resume: Annotated[bool, typer.Option("--continue", help="Add to the calibration kept here until it is whole.")] = (
        False
    ),
    json: Json = False,
) -> None:
    """Find out how far this machine's timing can be trusted: false positives, noise floor, power."""
    from harness.calibrate import CalibrateOptions, calibrate, progress_line  # noqa: PLC0415
    from harness.calibration.report import rendered  # noqa: PLC0415

    options = CalibrateOptions.checked(
        task=task, trials=trials, seconds=seconds, out=out, device=device, mode=mode, resume=resume
    )
    outcome = calibrate(options, lambda done, planned, trial: complain(progress_line(done, planned, trial)))
    if json:
        document = outcome.calibration.model_dump(exclude={"trials"})
        where = {"file": str(outcome.file), "replaced": outcome.replaced, "interrupted": outcome.interrupted}
        print_json({**document, **where})
    else:
        print_parts(rendered(outcome.calibration))
        typer.echo(f"kept: {outcome.file}" if outcome.replaced else f"an earlier one, longer, stands: {outcome.file}")
    raise typer.Exit(INTERRUPTED if outcome.interrupted else 0)
