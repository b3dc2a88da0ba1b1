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
    app.command(rich_help_panel=NEW_TASK)(hotspots)


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
