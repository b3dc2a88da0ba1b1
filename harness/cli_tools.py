"""The verbs of whoever works by hand: an attempt's tools from its worktree, and a task's tools for any assistant."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

AT_WORK = "Work by hand"

Where = Annotated[
    Path | None,
    typer.Option("--worktree", metavar="DIR", help="The attempt's worktree, or a folder in it; here by default."),
]


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command(rich_help_panel=AT_WORK)(measure)
    app.command("run-tests", rich_help_panel=AT_WORK)(run_tests)
    app.command(rich_help_panel=AT_WORK)(profile)
    app.command(rich_help_panel=AT_WORK)(submit)
    app.command(rich_help_panel=AT_WORK)(mcp)


def measure(worktree: Where = None) -> None:
    """Time the worktree one stands in against its base; exits 1 if it cannot be timed.

    For an attempt under way, such as one of `harness run --agent manual`.
    """
    _become("measure", worktree)


def run_tests(worktree: Where = None) -> None:
    """Build and test the worktree one stands in, and check its outputs; exits 1 if something fails.

    For an attempt under way, such as one of `harness run --agent manual`.
    """
    _become("run_tests", worktree)


def profile(worktree: Where = None) -> None:
    """Profile the benchmarked calls on the worktree one stands in.

    For an attempt under way, such as one of `harness run --agent manual`.
    """
    _become("profile", worktree)


def submit(
    summary: Annotated[str, typer.Argument(help="What was changed, and why it is faster.")] = "(nothing was said)",
    worktree: Where = None,
) -> None:
    """End the work on the attempt whose worktree one stands in: the waiting run goes on and judges it."""
    _become("submit", worktree, summary)


def mcp(
    task: Annotated[str, typer.Argument(help="A task file, or the name of a bundled task.")],
    worktree: Annotated[
        Path | None, typer.Option("--worktree", metavar="DIR", help="A checkout of the task's source; here by default.")
    ] = None,
    new_worktree: Annotated[
        Path | None,
        typer.Option(
            "--new-worktree", metavar="DIR", help="Make a checkout there, unless one is there already; it stays."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder for records of what was judged.")
    ] = None,
    worktrees: Annotated[
        Path | None, typer.Option("--worktrees", metavar="DIR", help="The folder for checkouts while it serves.")
    ] = None,
    patience: Annotated[
        float,
        typer.Option(
            min=0, metavar="S", help="Answer within S seconds, if only to be asked again; 0: when it is done."
        ),
    ] = 50.0,
    seed: Annotated[int | None, typer.Option(help="Makes the inputs and the order of measurements repeatable.")] = None,
    sandbox: Annotated[
        Literal["auto", "bubblewrap", "landlock", "namespaces", "landlock-only", "none"],
        typer.Option("--sandbox", help="What confines the target's side; none only by name."),
    ] = "auto",
) -> None:
    """Serve a task's clock, tests and judge to any assistant: an MCP server over standard input and output.

    It is meant to be started by a client such as Codex, Claude Code or an editor; docs/tools.md says how to register
    it. The first call of a tool admits the base, which takes a minute or more.
    """
    from harness.sandbox import harden_self  # noqa: PLC0415
    from harness.tool_service.serve_task import ServeOptions, serve_task  # noqa: PLC0415

    harden_self()  # a client hands its environment on, and there may be keys in it
    serve_task(
        ServeOptions(
            task=task,
            worktree=worktree,
            new_worktree=new_worktree,
            out=out,
            worktrees=worktrees,
            seed=seed,
            sandbox=sandbox,
            patience=patience,
        )
    )


def _become(tool: str, worktree: Path | None, *words: str) -> None:
    """Find the attempt by the folder, and become the command that its own agent has on the PATH."""
    from harness.tool_service.access import VARIABLE, find_tools, inside  # noqa: PLC0415

    given = os.environ.get(VARIABLE) if worktree is None else None
    folder = Path(given) if given else find_tools(worktree or Path.cwd())
    sys.stdout.flush()
    line = [*inside(folder), tool, *words]
    os.execv(line[0], line)  # noqa: S606
