"""The command line: its verbs, which stand in the `cli_*` modules, and the one place where errors become exit codes.

Each verb is a few lines: check the arguments, call the room that does the work, print what it says. Nothing but typer
and the standard library is imported at the top of these modules, so that `harness --help` answers at once.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated, Any

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
    cli_run,
    cli_sessions,
    cli_steer,
    cli_tools,
    cli_trust,
    cli_verify,
)
from harness.errors import INTERRUPTED, HarnessError
from harness.interruption import end_tidily
from harness.printing import complain, flush_or_forget


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
            if isinstance(error, OSError) and (told := _of_the_machine(error)):
                complain(f"error: {told}")
                raise typer.Exit(4) from error
            if type(error).__module__.startswith(("typer.", "click.")):
                raise  # A usage error; which package its class lives in depends on typer's version.
            import traceback  # noqa: PLC0415

            complain(traceback.format_exc())
            complain("This is a bug in harness, not in your task or patch: please report the lines above.")
            raise typer.Exit(4) from error


def _of_the_machine(error: OSError) -> str | None:
    from harness.machine_errors import machine_error  # noqa: PLC0415

    found = machine_error(error, refusals=True)
    return None if found is None else str(found)


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


for room in (
    cli_run,
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
    end_tidily()
    try:
        app(prog_name="harness")
    finally:
        for stream in (sys.stdout, sys.stderr):
            flush_or_forget(stream)
        gc.freeze()


if __name__ == "__main__":
    main()
