"""The verb that lets a person have a say in a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli_options import CODE_FASTER, Json, Out
from harness.printing import print_json


def add_verbs(app: typer.Typer) -> None:
    """Add it to the command line."""
    app.command(rich_help_panel=CODE_FASTER)(steer)


def steer(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name or folder, or latest.")],
    hint: Annotated[str, typer.Argument(metavar="HINT", help="What to tell the attempts; - reads standard input.")],
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Tell the attempts of a run that start from now on something: it becomes part of their prompts.

    The run may be under way, or over: then `harness resume RUN -n N` adds attempts that read it.
    """
    from harness.hints import MOST_CHARACTERS  # noqa: PLC0415 - what a help text needs is imported above
    from harness.steer import steer as give  # noqa: PLC0415
    from harness.text import printable  # noqa: PLC0415

    # Of what never ends, no more is read than it takes to refuse it.
    text = sys.stdin.buffer.read(8 * MOST_CHARACTERS).decode("utf-8", "replace") if hint == "-" else hint
    steered = give(out, run, text)
    if json:
        print_json({**steered.model_dump(), "outlook": steered.outlook})
    else:
        typer.echo(printable(f"{steered.run}: {steered.outlook}"))
