"""The verbs that let agents work: a new run, and one that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli_options import (
    CODE_FASTER,
    BaseUrl,
    ExecutorKind,
    Json,
    MaxTokens,
    MaxUsd,
    Out,
    RayAddress,
    RequireAny,
    SandboxKind,
    Seed,
    TimeLimit,
    Worktrees,
)
from harness.cli_verify import meets
from harness.printing import complain

if TYPE_CHECKING:
    from harness.run import RunOutcome


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command(rich_help_panel=CODE_FASTER)(run)
    app.command(rich_help_panel=CODE_FASTER)(resume)


def run(
    task: Annotated[str, typer.Argument(help="A task file, or the name of a bundled task.")],
    agent: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Who edits the code: replay, loop, codex, mini, command:'PROGRAM ARGS', manual, oracle, nop, or one "
            "that a package adds. Default: loop if -m is given, else replay.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("-m", "--model", help="The model the agent asks.")] = None,
    base_url: BaseUrl = None,
    wire: Annotated[
        # The names of `harness.live_model.Wire` and `Effort`, which are too much to import for a help text.
        Literal["auto", "responses", "chat"],
        typer.Option(help="How to speak to the endpoint; auto is responses at OpenAI, chat elsewhere."),
    ] = "auto",
    effort: Annotated[
        Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None,
        typer.Option(help="Reasoning effort, for models that take one."),
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=1_000, metavar="TOKENS", help="How much the model reads, if not known by itself.")
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(metavar="INPUT,CACHED,OUTPUT", help="The model's price in dollars for a million tokens."),
    ] = None,
    allow_unknown_price: Annotated[
        bool, typer.Option("--allow-unknown-price", help="Run although no limit in dollars can be held.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0, metavar="S", help="How long a call waits for an endpoint that is down or busy.")
    ] = 120.0,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Another limit for each attempt: steps, seconds, tokens or usd."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST[:PORT]", help="A host that an external agent may reach; may be given repeatedly."),
    ] = None,
    attempts: Annotated[int, typer.Option("-n", "--attempts", min=1, help="How many times to try.")] = 1,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="How many attempts to work on at once.")] = 1,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:KEY=VALUE,...]", help="What an attempt learns of those before it. Default: the task's."
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Tell the agents nothing of what earlier runs of the task tried.")
    ] = False,
    max_usd: MaxUsd = None,
    max_tokens: MaxTokens = None,
    time_limit: TimeLimit = None,
    out: Out = Path("runs"),
    worktrees: Worktrees = Path("worktrees"),
    keep_worktrees: Annotated[bool, typer.Option("--keep-worktrees", help="Leave the checkouts behind.")] = False,
    require: RequireAny = None,
    seed: Seed = None,
    placebos: Annotated[
        int,
        typer.Option(
            min=0, metavar="K", help="Judge K patches that change nothing among the attempts, to count false wins."
        ),
    ] = 0,
    sandbox: SandboxKind = "auto",
    executor: ExecutorKind = None,
    ray_address: RayAddress = None,
    json: Json = False,
) -> None:
    """Let an agent make a task's code faster, and judge what it did."""
    from harness.display import watching  # noqa: PLC0415
    from harness.live_model import LiveOptions  # noqa: PLC0415
    from harness.run import RunOptions, run_task  # noqa: PLC0415
    from harness.sandbox import harden_self  # noqa: PLC0415

    harden_self()  # the model's key is in this process's memory, and `--sandbox none` hides nothing

    options = RunOptions(
        task=task,
        agent=agent,
        model=model,
        base_url=base_url,
        allow_hosts=tuple(allow_host or ()),
        attempts=attempts,
        out=out,
        worktrees=worktrees,
        keep_worktrees=keep_worktrees,
        seed=seed,
        placebos=placebos,
        sandbox=sandbox,
        live=LiveOptions(wire, effort, price, allow_unknown_price, context, patience),
        limits=tuple(limit or ()),
        jobs=jobs,
        max_usd=max_usd,
        max_tokens=max_tokens,
        time_limit=time_limit,
        strategy=strategy,
        fresh=fresh,
        executor=executor or "local",
        ray_address=ray_address or "auto",
    )
    with watching(json=json) as emit:
        outcome = run_task(options, emit)
    _end_of_run(outcome, require, json=json)


def resume(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="Its name or its folder.")] = "latest",
    more: Annotated[int, typer.Option("-n", "--attempts", min=0, help="Attempts to add to the run.")] = 0,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", min=1, help="How many attempts at once.")] = None,
    max_usd: MaxUsd = None,
    max_tokens: MaxTokens = None,
    time_limit: TimeLimit = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although the task or the harness has changed since.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Make attempts again that ended infra_failed.")
    ] = False,
    executor: ExecutorKind = None,
    ray_address: RayAddress = None,
    out: Out = Path("runs"),
    worktrees: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Another folder for checkouts than the run had.")
    ] = None,
    require: RequireAny = None,
    json: Json = False,
) -> None:
    """Go on with a run that was killed or stopped, or add attempts to one that is over.

    What is judged stays judged. Limits count what the run has used up before; without them, its own hold.
    """
    from harness.display import watching  # noqa: PLC0415
    from harness.resume import ResumeOptions, resume_run  # noqa: PLC0415
    from harness.sandbox import harden_self  # noqa: PLC0415

    harden_self()
    wanted = ResumeOptions(
        run=run_name,
        out=out,
        more=more,
        jobs=jobs,
        max_usd=max_usd,
        max_tokens=max_tokens,
        time_limit=time_limit,
        force=force,
        retry_failed=retry_failed,
        executor=executor,
        ray_address=ray_address,
        worktrees=worktrees,
    )
    with watching(json=json) as emit:
        outcome = resume_run(wanted, emit)
    _end_of_run(outcome, require, json=json)


def _end_of_run(outcome: RunOutcome, require: float | None, *, json: bool) -> None:
    """Print what a run came to, and exit as it deserves."""
    from harness.display import print_summary  # noqa: PLC0415

    print_summary(outcome.verdicts, outcome.run_folder, error=json)
    if outcome.budget is not None:
        complain(f"{outcome.budget} `harness resume {outcome.run_folder.name}` with a higher limit goes on.")
    code = outcome.exit_code
    if code == 0 and require is not None and not meets(outcome.judged, require):
        complain(f"--require {require:g} is not met: no attempt is faster with an interval that starts there.")
        code = 1
    raise typer.Exit(code)
