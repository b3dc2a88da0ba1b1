"""The verbs that lead to a task of one's own: where a command's time goes, and a first draft from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli_options import Json, SandboxKind, Worktrees
from harness.printing import complain, print_json, print_parts

NEW_TASK = "Find and draft a task"


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    for verb in (hotspots, init):
        app.command(rich_help_panel=NEW_TASK)(verb)


def hotspots(
    repository: Annotated[Path, typer.Argument(metavar="REPO", help="The folder of a repository.")],
    command: Annotated[
        list[str], typer.Argument(metavar="-- CMD...", help="What to profile; runs at the root of a copy of it.")
    ],
    repeat: Annotated[
        int, typer.Option("--repeat", min=2, metavar="N", help="Sampled runs; a share's interval is taken over them.")
    ] = 5,
    top: Annotated[int, typer.Option("--top", min=1, metavar="N", help="Functions to show.")] = 15,
    seconds: Annotated[float, typer.Option("--seconds", min=1, metavar="S", help="The limit of each run.")] = 600.0,
    worktrees: Worktrees = Path("worktrees"),
    sandbox: SandboxKind = "auto",
    json: Json = False,
) -> None:
    """Profile a command and rank the repository's functions by what a 2x gain would be worth end to end.

    Nothing is written to the repository: the command runs confined, in a copy that is gone afterwards.
    """
    from harness.profiling.display import hotspot_table  # noqa: PLC0415 - what a help text needs is imported above
    from harness.profiling.hotspots import HotspotOptions, find_hotspots  # noqa: PLC0415

    found = find_hotspots(HotspotOptions(repository, command, repeat, seconds, worktrees, sandbox), complain)
    if json:
        print_json(found.model_dump())
    else:
        print_parts(hotspot_table(found, top))


def init(
    repository: Annotated[Path, typer.Argument(metavar="REPO", help="The folder of a repository.")],
    function: Annotated[str, typer.Option("--function", metavar="PKG.MOD:FN", help="What is to become faster.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The task file; tasks/FN.yaml by default.")
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option("--trace", metavar="CMD", help="A command that calls it, run confined in a copy; it is watched."),
    ] = None,
    call: Annotated[
        list[str] | None,
        typer.Option("--call", metavar="'FN(...)'", help="A call of it, in its own module; may be given repeatedly."),
    ] = None,
    build: Annotated[
        list[str] | None, typer.Option("--build", metavar="CMD", help="What must be run before it can be imported.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a draft that is there.")] = False,
    seconds: Annotated[float, typer.Option("--seconds", min=1, metavar="S", help="The limit of each command.")] = 300.0,
    worktrees: Worktrees = Path("worktrees"),
    sandbox: SandboxKind = "auto",
    json: Json = False,
) -> None:
    """Draft a task for one function: task file, bench with the base as its oracle, hidden tests from calls seen.

    Without --trace and --call, the repository's tests that mention the function are watched, else its annotations read.
    """
    from harness.drafting.init import InitOptions, init_task  # noqa: PLC0415 - as above

    drafted = init_task(
        InitOptions(
            repository=repository,
            function=function,
            worktrees=worktrees,
            out=output,
            trace=trace,
            calls=tuple(call or ()),
            build=tuple(build or ()),
            force=force,
            seconds=seconds,
            sandbox=sandbox,
        ),
        complain,
    )
    if json:
        print_json(drafted.model_dump())
        return
    from harness.text import printable  # noqa: PLC0415

    typer.echo(printable("\n".join(drafted.lines()), multiline=True))
