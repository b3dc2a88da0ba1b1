"""The verbs that look after the machine: what runs have left behind, and whether all that a run needs is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli_options import LOOK, Json, Out, Worktrees
from harness.printing import complain, print_json

HOUSE = "Look after the machine"


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command(rich_help_panel=HOUSE)(clean)
    app.command(rich_help_panel=HOUSE)(doctor)
    app.command(rich_help_panel=LOOK)(publish)


def clean(
    older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Also records of runs that ended longer ago: 36h, 7d, 2w. Verdicts go, too."),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Also what is remembered of tasks, for the prompts of later runs.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it. Without, nothing is touched.")] = False,
    out: Out = Path("runs"),
    worktrees: Worktrees = Path("worktrees"),
    json: Json = False,
) -> None:
    """Show what killed and old runs have left behind, and with --yes remove it. What is in use stays."""
    from harness.age import parse_age  # noqa: PLC0415 - what a help text needs is imported above
    from harness.housekeeping import Found, look, look_elsewhere  # noqa: PLC0415
    from harness.housekeeping import clean as remove  # noqa: PLC0415
    from harness.show import shown_path  # noqa: PLC0415
    from harness.text import bytes_text, printable  # noqa: PLC0415

    age = parse_age(older_than) if older_than is not None else None
    found = look(out, worktrees, age, memories=memory)
    elsewhere = look_elsewhere()
    found = Found([*found.leftovers, *elsewhere.leftovers], [*found.in_use, *elsewhere.in_use])
    problems = remove(found.leftovers) if yes else []
    if json:
        document = {
            "removed": yes,
            "bytes": found.bytes,
            "leftovers": [leftover.model_dump() for leftover in found.leftovers],
            "in_use": found.in_use,
            "problems": problems,
        }
        print_json(document)
    else:
        for leftover in found.leftovers:
            size = bytes_text(leftover.bytes)
            typer.echo(printable(f"{size:>9}  {shown_path(Path(leftover.path))}  ({leftover.why})"))
        for path in found.in_use:
            typer.echo(printable(f"   in use  {shown_path(Path(path))}"))
        gone = [each for each in found.leftovers if not (yes and Path(each.path).exists())]
        if gone or not found.leftovers:
            typer.echo(_summary(len(gone), bytes_text(sum(each.bytes for each in gone)), removed=yes))
    for problem in problems:
        complain(printable(problem))
    raise typer.Exit(4 if problems else 0)


def _summary(count: int, size: str, *, removed: bool) -> str:
    if not count:
        return "Nothing to clean."
    from harness.text import counted  # noqa: PLC0415 - as above

    things = counted(count, "thing")
    return f"Removed {things}, {size}." if removed else f"{things}, {size}. Nothing was touched: --yes removes them."


def doctor(
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint to ask.")
    ] = None,
    out: Out = Path("runs"),
    worktrees: Worktrees = Path("worktrees"),
    json: Json = False,
) -> None:
    """Look at what a run needs: git, sandbox, GPU, clocks, disk, key, endpoint, calibration; each with its remedy.

    Exits 4 when something that every run needs does not work.
    """
    from harness.doctor import Where, examine  # noqa: PLC0415 - as above
    from harness.text import printable  # noqa: PLC0415

    checks = []
    for check in examine(Where(out, worktrees, base_url)):
        checks.append(check)
        if not json:
            typer.echo(printable(f"{check.state:8} {check.name}: {check.found}"))
            if check.remedy and check.state != "ok":
                typer.echo(printable(f"{'':8} -> {check.remedy}"))
    if json:
        print_json({"checks": [check.model_dump() for check in checks]})
    raise typer.Exit(4 if any(check.state == "problem" for check in checks) else 0)


def publish(
    to: Annotated[str, typer.Option("--to", metavar="URL", help="postgresql://USER@HOST/NAME, or a file for SQLite.")],
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Only these; all by default.")] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Copy verdicts to a database that a team shares; `harness leaderboard --from URL` ranks what is there.

    Publishing a run again brings its verdicts up to date and adds none twice.
    """
    from harness.board.publish import publish as put  # noqa: PLC0415 - as above
    from harness.find_run import find_run  # noqa: PLC0415
    from harness.store import find_runs  # noqa: PLC0415

    folders = [find_run(out, name) for name in runs] if runs else find_runs(out)
    done = put(folders, to)
    if json:
        print_json({"verdicts": done.verdicts, "new": done.new, "left_out": done.problems})
    elif not done.verdicts:
        missing = "Nothing was judged yet" if folders else f"No runs in {out} yet"
        typer.echo(f"{missing}: nothing was published.")
    else:
        from harness.text import counted  # noqa: PLC0415

        typer.echo(f"{counted(done.verdicts, 'verdict is', 'verdicts are')} on the board, {done.new} new.")
    for problem in done.problems:
        complain(f"left out: {problem}")
