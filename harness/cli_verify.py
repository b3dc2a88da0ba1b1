"""The verb that judges a patch from anywhere, and its two other forms: a bundle, and newer commits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli_options import CODE_FASTER, Json, Out, Require, SandboxKind, Seed, Worktrees
from harness.printing import complain, print_parts

if TYPE_CHECKING:
    from harness.options import RunOptions
    from harness.verdict import Verdict


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command(rich_help_panel=CODE_FASTER)(verify)


def meets(verdicts: list[Verdict], require: float) -> bool:
    """The low end of what is published of the best has to reach it: the estimate, and being the best, may be luck."""
    from harness.selection import winner  # noqa: PLC0415 - brings in pydantic

    best = winner(verdicts)
    return best is not None and best.published is not None and best.published.low >= require


def verify(
    patch: Annotated[
        Path | None,
        typer.Argument(metavar="PATCH", help="A diff, from whoever made it; or RUN/ATTEMPT, whose patch was kept."),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="COMMIT", help="More of --onto.")] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", help="A task file, or the name of a bundled task; RUN/ATTEMPT knows its own."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FILE", help="Judge what `harness export` bundled, and compare with what it says."
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Let the bundle's bench and check run: they are its sender's code, and nothing confines them.",
        ),
    ] = False,
    onto: Annotated[
        list[str] | None,
        typer.Option(
            "--onto",
            metavar="COMMIT...",
            help="Put the patch onto newer commits of its target (==VERSION of a PyPI one) and judge it on each: "
            "a hash, tag, branch or range A..B; several may follow.",
        ),
    ] = None,
    out: Out = Path("runs"),
    worktrees: Worktrees = Path("worktrees"),
    require: Require = None,
    seed: Seed = None,
    sandbox: SandboxKind = "auto",
    json: Json = False,
) -> None:
    """Judge a patch from anywhere as an agent's is judged: built, tested, checked, timed against the base.

    With --bundle, evidence from another machine is judged again here and the two are compared. With --onto, a patch is
    judged on newer versions of its target: does it apply, is it correct, is it still faster, and by how much?
    """
    from harness.errors import UsageError  # noqa: PLC0415
    from harness.options import RunOptions  # noqa: PLC0415

    options = RunOptions(task=task or "", out=out, worktrees=worktrees, seed=seed, sandbox=sandbox)
    if bundle is not None:
        if patch is not None or onto:
            raise UsageError(f"{patch or '--onto'} and --bundle exclude each other: the bundle has its own patch.")
        _bundle(bundle, options, require, trust=trust, json=json)
    if trust:
        raise UsageError("--trust goes with --bundle.")
    if patch is None:
        raise UsageError("There is nothing to judge.", remedy="Name a PATCH, a RUN/ATTEMPT, or --bundle FILE.")
    if onto:
        _onto(patch, [*onto, *(more or [])], options, require, json=json)
    if more:
        raise UsageError(f"What is {more[0]}?", remedy="One PATCH is judged at a time; commits go behind --onto.")
    _patch(patch, options, require, json=json)


def _patch(patch: Path, options: RunOptions, require: float | None, *, json: bool) -> None:
    from harness.display import print_summary, watching  # noqa: PLC0415
    from harness.merge.kept_patch import kept_patch  # noqa: PLC0415
    from harness.run import verify_task  # noqa: PLC0415
    from harness.strict_json import strict_json  # noqa: PLC0415

    kept = kept_patch(patch, options)
    with watching(json=False) as emit:
        outcome = verify_task(kept.options, kept.file, emit)
    print_summary(outcome.verdicts, outcome.run_folder, error=json)
    if json:
        # The only thing on stdout: one line, one Verdict.
        typer.echo(strict_json(outcome.verdicts[0].model_dump()))
    raise typer.Exit(_code(outcome.exit_code, outcome.verdicts, require))


def _bundle(bundle: Path, options: RunOptions, require: float | None, *, trust: bool, json: bool) -> None:
    from harness.display import print_summary, watching  # noqa: PLC0415
    from harness.merge.rejudge import rejudge  # noqa: PLC0415
    from harness.merge.rejudge_display import rendered  # noqa: PLC0415
    from harness.strict_json import strict_json  # noqa: PLC0415

    if trust and not options.task:
        complain("The bundle's bench runs unconfined, as you: that is what --trust says.")
    with watching(json=False) as emit:
        found = rejudge(bundle, options, emit, trusted=trust)
    print_summary(found.outcome.verdicts, found.outcome.run_folder, error=json)
    if json:
        typer.echo(strict_json(found.as_json()))
    else:
        print_parts(*rendered(found))
    raise typer.Exit(_code(found.outcome.exit_code, found.outcome.verdicts, require))


def _onto(patch: Path, names: list[str], options: RunOptions, require: float | None, *, json: bool) -> None:
    from harness.display import watching  # noqa: PLC0415
    from harness.merge.kept_patch import kept_patch  # noqa: PLC0415
    from harness.merge.onto import verify_onto  # noqa: PLC0415
    from harness.merge.onto_display import rendered  # noqa: PLC0415
    from harness.strict_json import strict_json  # noqa: PLC0415

    kept = kept_patch(patch, options)
    with watching(json=False) as emit:
        report = verify_onto(kept, names, kept.options, emit, complain)
    if json:
        typer.echo(strict_json({**report.model_dump(), "sentence": report.sentence}))
    else:
        print_parts(*rendered(report))
    code = report.exit_code
    if code == 0 and require is not None and not report.meets(require):
        complain(f"--require {require:g} is not met: not on every version is it faster by so much.")
        code = 1
    raise typer.Exit(code)


def _code(code: int, verdicts: list[Verdict], require: float | None) -> int:
    if code == 0 and require is not None and not meets(verdicts, require):
        complain(f"--require {require:g} is not met: the patch is not faster with an interval that starts there.")
        return 1
    return code
