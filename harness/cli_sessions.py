"""The verbs for sessions that were recorded: bring one in, play it, give it away, and compare two attempts or runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli_options import LOOK, Json, Out, SandboxKind, Seed, Worktrees
from harness.printing import print_json, print_parts

RECORDED = "Recorded sessions"


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command(rich_help_panel=LOOK)(compare)
    app.command("import", rich_help_panel=RECORDED)(import_)
    app.command(rich_help_panel=RECORDED)(replay)
    app.command("export-session", rich_help_panel=RECORDED)(export_session)


def import_(
    transcript: Annotated[
        Path, typer.Argument(metavar="TRANSCRIPT", help="What Codex printed or kept, or a trajectory.jsonl.")
    ],
    task: Annotated[
        str | None, typer.Option("--task", help="The task it worked on: the patch is held against its target.")
    ] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Bring in a session recorded elsewhere: shown like an attempt, its patch kept, nothing judged."""
    from harness.import_session import import_session  # noqa: PLC0415

    imported = import_session(transcript, task, out)
    if json:
        print_json(imported.as_json())
    else:
        print_parts(imported.render())


def replay(
    attempt: Annotated[str, typer.Argument(metavar="RUN/ATTEMPT", help="Whose session is played.")],
    task: Annotated[
        str, typer.Option("--task", help="Play it on this task; by default on the one it was recorded on.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Play it on another base too, and go on where results differ.")
    ] = False,
    out: Out = Path("runs"),
    worktrees: Worktrees = Path("worktrees"),
    seed: Seed = None,
    sandbox: SandboxKind = "auto",
    json: Json = False,
) -> None:
    """Play a recorded session on today's target: every call in it really happens, and the patch is judged."""
    from harness.display import print_summary, watching  # noqa: PLC0415
    from harness.find_run import find_attempt  # noqa: PLC0415
    from harness.replay import load_recorded, options_for  # noqa: PLC0415
    from harness.replay import replay as play  # noqa: PLC0415
    from harness.run import RunOptions  # noqa: PLC0415
    from harness.sandbox import harden_self  # noqa: PLC0415
    from harness.strict_json import strict_json  # noqa: PLC0415

    harden_self()
    recorded = load_recorded(find_attempt(out, attempt))
    options = options_for(recorded, RunOptions(task=task, out=out, worktrees=worktrees, seed=seed, sandbox=sandbox))
    with watching(json=False) as emit:
        replayed = play(recorded, options, emit, forced=force)
    print_summary(replayed.outcome.verdicts, replayed.outcome.run_folder, error=json)
    if json:
        typer.echo(strict_json(replayed.as_json()))
    else:
        print_parts(replayed.render())
    raise typer.Exit(replayed.outcome.exit_code)


def export_session(
    attempt: Annotated[
        str, typer.Argument(metavar="RUN/ATTEMPT", help="RUN alone will do if it has one attempt.")
    ] = "latest",
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="- is standard output.")] = Path("-"),
    form: Annotated[Literal["atif"], typer.Option("--format", help="In which form.")] = "atif",
    out: Out = Path("runs"),
) -> None:
    """Write a session in a form that other tools read: ATIF, the Agent Trajectory Interchange Format."""
    from harness.export_session import session_as_atif  # noqa: PLC0415
    from harness.find_run import find_attempt  # noqa: PLC0415
    from harness.strict_json import strict_json  # noqa: PLC0415
    from harness.whole_file import write_atomic  # noqa: PLC0415

    document = strict_json(session_as_atif(find_attempt(out, attempt)), indent=2) + "\n"
    if str(output) == "-":
        typer.echo(document, nl=False)
    else:
        write_atomic(output, document, "-o")
        typer.echo(f"written: {output} ({form})", err=True)


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="RUN/ATTEMPT, or RUN.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The same kind.")],
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Compare two attempts, or two runs: side by side, with the differences tested.

    A RUN of a single attempt stands for that attempt.
    """
    from harness.compare import compare_attempts  # noqa: PLC0415
    from harness.compare_display import attempts_compared, runs_compared  # noqa: PLC0415
    from harness.compare_runs import compare_runs, two_runs  # noqa: PLC0415
    from harness.find_run import find_attempt  # noqa: PLC0415

    folders = two_runs(out, first, second)
    if folders:
        runs = compare_runs(*folders)
        print_json(runs.model_dump()) if json else print_parts(runs_compared(runs))
        return
    attempts = compare_attempts(find_attempt(out, first), find_attempt(out, second))
    print_json(attempts.model_dump()) if json else print_parts(attempts_compared(attempts))
