"""The verbs that look at results: runs, attempts, boards, reports, pages, and a run as it goes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli_options import LOOK, BaseUrl, Json, Out
from harness.printing import complain, print_json, print_parts


class Format(StrEnum):
    """How a leaderboard is printed."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    json = "json"
    html = "html"


class By(StrEnum):
    """What makes a row of a leaderboard."""

    both = "agent-model"
    agent = "agent"
    model = "model"
    attempt = "attempt"


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command(rich_help_panel=LOOK)(models)
    app.command("list", rich_help_panel=LOOK)(list_runs)
    for verb in (show, watch, leaderboard, report, view):
        app.command(rich_help_panel=LOOK)(verb)


def models(base_url: BaseUrl = None, json: Json = False) -> None:
    """List the models an endpoint offers, with their prices and how much they read where that is known."""
    from harness.models import list_endpoint  # noqa: PLC0415

    listing = list_endpoint(base_url)
    if json:
        print_json(listing.as_json())
    else:
        print_parts(listing.render())


def list_runs(out: Out = Path("runs"), json: Json = False) -> None:
    """List the runs: task, agent, when, attempts, best, status."""
    from harness.run_lines import load_run_line, run_table  # noqa: PLC0415
    from harness.store import find_runs  # noqa: PLC0415

    lines = [load_run_line(folder) for folder in find_runs(out)]
    if json:
        print_json({"runs": [line.as_json() for line in lines]})
    elif lines:
        print_parts(run_table(lines))
    else:
        typer.echo(f"No runs in {out} yet. Start one with: harness run moe_align")


def show(
    attempt: Annotated[
        str, typer.Argument(metavar="RUN/ATTEMPT", help="RUN alone will do if it has one attempt.")
    ] = "latest",
    diff: Annotated[bool, typer.Option("--diff", help="Show the patch as well.")] = False,
    session: Annotated[bool, typer.Option("--session", help="Show what was said and done, and a timeline.")] = False,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Show an attempt: verdict, cause, workloads, patch, cost and files."""
    from harness.find_run import find_attempt  # noqa: PLC0415
    from harness.show import load_shown  # noqa: PLC0415

    shown = load_shown(find_attempt(out, attempt))
    conversation = None
    if session:
        from harness.session_view import load_session  # noqa: PLC0415

        conversation = load_session(shown.folder)
    if json:
        more = {"session": conversation.as_json()} if conversation else {}
        print_json({**shown.as_json(diff=diff), **more})
    else:
        print_parts(*([conversation.render()] if conversation else []), shown.render(diff=diff))


def watch(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's name or folder; the newest by default.")
    ] = "latest",
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Follow a run that another terminal started, until it ends. Ctrl-C stops the watching, not the run."""
    from harness.display import watch_run  # noqa: PLC0415
    from harness.find_run import find_run  # noqa: PLC0415

    raise typer.Exit(watch_run(find_run(out, run), json=json))


def leaderboard(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN", help="Only these, or folders of verdicts; all by default.")
    ] = None,
    out: Out = Path("runs"),
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.table,
    by: Annotated[
        By | None,
        typer.Option(help="What makes a row. Default: agent-model, and attempt for folders of verdicts."),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="NAME", help="Only the boards of this task.")] = None,
    mix_devices: Annotated[bool, typer.Option("--mix-devices", help="One board over all devices.")] = False,
    all_figures: Annotated[
        bool, typer.Option("--all-figures", help="All tables of reference figures, not the first alone.")
    ] = False,
    board: Annotated[
        str | None, typer.Option("--from", metavar="URL", help="Rank what was published there, not the folder of runs.")
    ] = None,
    json: Json = False,
) -> None:
    """Rank agents and models, or attempts, over runs: one board for each task and device."""
    from harness.ranking import Found, Rows, rank, read_folders  # noqa: PLC0415

    if board is not None:
        from harness.board.read import read_board  # noqa: PLC0415

        found, kept = Found(read_board(board, task=task, runs=runs or ())), False
    else:
        from harness.find_run import find_run  # noqa: PLC0415 - a board does without
        from harness.store import find_runs  # noqa: PLC0415 - a board does without
        from harness.verdict_folder import holds_verdicts  # noqa: PLC0415

        folders = [find_run(out, name) for name in runs] if runs else find_runs(out)
        found = read_folders({folder.path.resolve(): folder for folder in folders}.values(), task=task)
        kept = bool(folders) and all(holds_verdicts(folder.path) for folder in folders)
    rows: dict[By, Rows] = {By.both: "agent and model", By.agent: "agent", By.model: "model", By.attempt: "attempt"}
    ranking = rank(found, by=rows[by or (By.attempt if kept else By.both)], mix=mix_devices)
    for problem in found.problems:
        complain(f"left out: {problem}")
    if json or form is Format.json:
        print_json({**ranking.as_json(), "left_out": found.problems})
    elif form is Format.markdown:
        typer.echo(ranking.markdown(), nl=False)
    elif form is Format.csv:
        typer.echo(ranking.csv(), nl=False)
    elif form is Format.html:
        from harness.report.board_page import boards_html  # noqa: PLC0415

        typer.echo(boards_html(ranking), nl=False)
    elif ranking.boards:
        print_parts(*ranking.rendered(all_figures=all_figures))
    else:
        typer.echo(_nothing_to_rank(out if board is None else None, task, runs))


def _nothing_to_rank(out: Path | None, task: str | None, runs: list[str] | None) -> str:
    """What to say of a board without rows; of a folder of runs, or of a database where `out` is None."""
    where = "on this board" if out is None else f"in {out}"
    asked = [f"task {task}"] if task else []
    asked += [f"run {', '.join(runs)}"] if runs else []
    if asked:
        return f"No attempts {where} of {' and '.join(asked)}. Leave that out to see what there is."
    remedy = "`harness publish --to URL` puts some there." if out is None else "Start a run with: harness run moe_align"
    return f"No attempts {where} yet. {remedy}"


def report(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's name or folder; the newest by default.")
    ] = "latest",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where to: .html, .md or .json. Default: RUN.html."),
    ] = None,
    out: Out = Path("runs"),
) -> None:
    """Write a run down for people: one file of HTML that loads nothing, or Markdown, or JSON."""
    from harness.find_run import find_run  # noqa: PLC0415
    from harness.report.build import write_report  # noqa: PLC0415
    from harness.report.material import read_run  # noqa: PLC0415
    from harness.text import bytes_text  # noqa: PLC0415

    folder = find_run(out, run)
    target = output or Path(f"{folder.name}.html")
    size = write_report(read_run(folder), target)
    typer.echo(f"{target}: {bytes_text(size)}")


def view(
    out: Out = Path("runs"),
    host: Annotated[
        str, typer.Option(help="Where to listen; any address but loopback asks for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8765,
) -> None:
    """Show the runs in a browser: a local server that only reads."""
    from harness.view.serve import serve  # noqa: PLC0415

    serve(out, host, port, typer.echo)
