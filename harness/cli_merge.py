"""The verb that hands a patch on to whoever may merge it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli_options import LOOK, Json, Out
from harness.printing import complain, print_json

if TYPE_CHECKING:
    from harness.merge.export import Exported


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command(rich_help_panel=LOOK)(export)


def export(
    attempt: Annotated[
        str, typer.Argument(metavar="RUN/ATTEMPT", help="RUN alone will do if it has one attempt.")
    ] = "latest",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Where to; export-RUN-ATTEMPT by default.")
    ] = None,
    branch: Annotated[
        str | None, typer.Option("--branch", metavar="NAME", help="Make this branch in your repository as well.")
    ] = None,
    repo: Annotated[
        Path | None,
        typer.Option("--repo", metavar="PATH", help="That repository; by default the one the target came from."),
    ] = None,
    author: Annotated[
        str | None, typer.Option(metavar="'NAME <MAIL>'", help="Who the commit says it is by; the harness by default.")
    ] = None,
    hidden_tests: Annotated[
        bool,
        typer.Option(
            "--hidden-tests/--no-hidden-tests",
            help="Whether the bundle has the hidden tests. Without, judging it again cannot run them. The bench, with "
            "its held-out workloads, is always in it: think before you publish either.",
        ),
    ] = True,
    task: Annotated[
        str | None, typer.Option("--task", metavar="FILE", help="The task file, where it has moved since the run.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Export it although its verdict is not `faster`.")] = False,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Make a patch ready to merge: a file for `git am`, a pull request's description, and the evidence.

    The evidence bundle is what `harness verify --bundle` judges again on another machine.
    """
    from harness.find_run import find_attempt  # noqa: PLC0415
    from harness.merge.export import ExportOptions, export_attempt  # noqa: PLC0415

    options = ExportOptions(
        folder=output,
        task=task,
        branch=branch,
        repo=repo,
        author=author,
        force=force,
        hidden_tests=hidden_tests,
    )
    exported = export_attempt(find_attempt(out, attempt), options)
    print_json(exported.as_json()) if json else _tell(exported)


def _tell(exported: Exported) -> None:
    from harness.text import bytes_text, printable  # noqa: PLC0415 - brings in pydantic

    lines = [
        printable(exported.summary.subject),
        f"  {exported.patch}",
        f"    in the root of the repository: {exported.summary.apply}",
        f"  {exported.description}",
        f"  {exported.bundle}  {bytes_text(len(exported.made.data))}, sha256 {exported.made.sha256}",
        f"    on any machine: {exported.summary.reproduce}",
    ]
    if exported.branch:
        name, commit, repository, base = exported.branch
        lines.append(f"  branch {name}: {commit[:12]} on {base[:12]}, in {repository}")
    typer.echo("\n".join(lines))
    if exported.made.manifest.hidden_tests == "included":
        complain("The bundle holds the hidden tests: --no-hidden-tests leaves them out.")
    if exported.made.telling:
        named = ", ".join(exported.made.telling[:4])
        complain(f"These files in the bundle name your home folder: {named}. Look before you publish it.")
