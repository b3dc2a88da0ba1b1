"""The verb that takes a patch apart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli_options import CODE_FASTER, Json, Out, SandboxKind, Seed, Worktrees
from harness.printing import print_json, print_parts


def add_verbs(app: typer.Typer) -> None:
    """Add it to the command line."""
    app.command(rich_help_panel=CODE_FASTER)(ablate)


def ablate(
    patch: Annotated[
        str, typer.Argument(metavar="PATCH", help="RUN/ATTEMPT, RUN if it has one attempt, or a diff with --task.")
    ],
    task: Annotated[
        str | None, typer.Option("--task", help="A task file, or the name of a bundled task; a run knows its own.")
    ] = None,
    by: Annotated[
        Literal["hunk", "line-group", "file"], typer.Option(help="Into what the patch is taken apart.")
    ] = "hunk",
    limit: Annotated[
        int, typer.Option(min=2, metavar="N", help="Try at most N variants of the patch; confirmations come on top.")
    ] = 40,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="For results; in the attempt's folder, or PATCH.ablation."),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Begin again, though an earlier call left something to go on with.")
    ] = False,
    out: Out = Path("runs"),
    worktrees: Worktrees = Path("worktrees"),
    seed: Seed = None,
    sandbox: SandboxKind = "auto",
    json: Json = False,
) -> None:
    """Measure which parts of a patch carry its gain, and write the smallest patch that keeps it.

    Every hunk is left out once; what remains is built, tested and timed against the whole patch. Stop it any time:
    the same command goes on.
    """
    from harness.ablation.ablate import AblateOptions  # noqa: PLC0415
    from harness.ablation.ablate import ablate as take_apart  # noqa: PLC0415
    from harness.ablation.asked import find_patch  # noqa: PLC0415
    from harness.ablation.display import ablation_shown  # noqa: PLC0415
    from harness.text import printable  # noqa: PLC0415

    asked = find_patch(out, patch, task, by)
    into = output or asked.into
    options = AblateOptions(
        patch=asked.patch,
        name=asked.name,
        task=asked.task,
        into=into,
        by=by,
        limit=limit,
        anew=anew,
        worktrees=worktrees,
        seed=seed,
        sandbox=sandbox,
    )
    record = take_apart(options, lambda line: print(printable(line), file=sys.stderr, flush=True))
    if json:
        print_json(record.model_dump(mode="json", exclude={"admission"}))
    else:
        print_parts(ablation_shown(record, into))
