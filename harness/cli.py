"""The verbs. Each one is a few lines: check the arguments, call the room that does the work, print what it says.

Nothing but typer and the standard library is imported up here, so that `harness --help` answers at once.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from harness import (
    __version__,
    cli_ablate,
    cli_exports,
    cli_house,
    cli_look,
    cli_merge,
    cli_new,
    cli_sessions,
    cli_steer,
    cli_tools,
    cli_trust,
    cli_verify,
)
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
from harness.errors import INTERRUPTED, HarnessError
from harness.printing import complain

if TYPE_CHECKING:
    from harness.run import RunOutcome


class _Verbs(TyperGroup):
    """The one place where errors become messages and exit codes. Usage errors (exit 2) stay typer's."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own signature
        try:
            return super().invoke(ctx)
        except HarnessError as error:
            complain(str(error) if error.exit_code == INTERRUPTED else f"error: {error}")
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            complain("Interrupted.")
            raise typer.Exit(INTERRUPTED) from error
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if type(error).__module__.startswith(("typer.", "click.")):
                raise  # A usage error; which package its class lives in depends on typer's version.
            import traceback  # noqa: PLC0415

            complain(traceback.format_exc())
            complain("This is a bug in harness, not in your task or patch: please report the lines above.")
            raise typer.Exit(4) from error


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Lets agents make code faster, and tells the truth about how much faster it became.",
    epilog="Exit codes: 0 done, 1 a --require unmet, 2 usage or a bad task file, 3 budget gone with nothing judged, "
    "4 infrastructure, 130 interrupted.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that belong to no verb."""
    from harness.model_key import take_model_key  # noqa: PLC0415

    take_model_key()  # nothing that any verb starts from here on inherits it


@app.command(rich_help_panel=CODE_FASTER)
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


@app.command(rich_help_panel=CODE_FASTER)
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


for room in (
    cli_steer,
    cli_verify,
    cli_ablate,
    cli_trust,
    cli_new,
    cli_look,
    cli_merge,
    cli_exports,
    cli_tools,
    cli_house,
    cli_sessions,
):
    room.add_verbs(app)


def main() -> None:
    """The `harness` command."""
    # A path or a model's word that this terminal's encoding lacks must not end a run.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    # What is imported by now is never garbage, and in the end all goes at once: to look for cycles in it would take as
    # long as many a verb does.
    gc.freeze()
    try:
        app(prog_name="harness")
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
