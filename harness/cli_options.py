"""Options that more than one verb takes, each with its one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

# The panels of `harness --help`.
CODE_FASTER = "Make code faster"
LOOK = "Look at results"

Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder that holds the runs.")]
Worktrees = Annotated[Path, typer.Option(metavar="DIR", help="The folder for checkouts while a run lasts.")]
Seed = Annotated[int | None, typer.Option(help="Makes the inputs and the order of measurements repeatable.")]
Require = Annotated[
    float | None, typer.Option(min=0.0, metavar="X", help="Exit 1 unless it is faster by at least X (1.1 is 10 %).")
]
RequireAny = Annotated[
    float | None,
    typer.Option(min=0.0, metavar="X", help="Exit 1 unless some attempt is faster by at least X (1.1 is 10 %)."),
]
MaxUsd = Annotated[
    float | None, typer.Option("--max-usd", min=0.0, metavar="USD", help="What all attempts may cost together.")
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", min=0, metavar="N", help="Tokens of all attempts together, in and out.")
]
TimeLimit = Annotated[
    float | None,
    typer.Option("--time-limit", min=0.0, metavar="SECONDS", help="Start no more then; judge what is under way."),
]
ExecutorKind = Annotated[
    # The names of `harness.options.ExecutorKind`, which is too much to import for a help text.
    Literal["local", "ray"] | None,
    typer.Option("--executor", help="Where attempts are worked on: this machine (the default), or a Ray cluster."),
]
SandboxKind = Annotated[
    # The names of `harness.sandbox.Wanted`, which is too much to import for a help text.
    Literal["auto", "bubblewrap", "landlock", "namespaces", "landlock-only", "none"],
    typer.Option("--sandbox", help="What confines the target's side; none only by name, and recorded in the verdict."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="With --executor ray: auto finds one that runs here, local starts one for this run, HOST:PORT or "
        "ray://HOST:10001 is elsewhere. Default: auto.",
    ),
]
BaseUrl = Annotated[str | None, typer.Option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for programs.")]
