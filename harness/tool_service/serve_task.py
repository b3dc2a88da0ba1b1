"""`harness mcp`: the tools of a task over standard input and output, until that ends or a signal comes."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from harness import __version__
from harness.errors import UsageError
from harness.options import RunOptions
from harness.sandbox import Wanted, use_sandbox
from harness.state import mcp_folders
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.tool_service.checkout import make_checkout

_INSTRUCTIONS = """\
These tools measure the checkout {tree} of {title!r} against its base by a clock that can be trusted. Only these files \
may change: {targets}. Edit them with your own tools; then run_tests says whether the outputs are still right, measure \
how fast it is, profile where the time goes. judge gives the verdict that counts. The first call of any of them admits \
the base, which takes a minute or more; measure and run_tests take seconds to minutes, judge some minutes. An answer \
that says "Not done yet" is no failure: call the same tool again."""


@dataclass(frozen=True)
class ServeOptions:
    """What `harness mcp` was asked for; None for the defaults, which lie in the user's state folder or are here.

    Attributes:
        patience: seconds after which a call is answered whatever has come of it; 0 for as long as it takes.
    """

    task: str
    worktree: Path | None = None
    new_worktree: Path | None = None
    out: Path | None = None
    worktrees: Path | None = None
    seed: int | None = None
    sandbox: Wanted = "auto"
    patience: float = 50.0


def serve_task(options: ServeOptions) -> NoReturn:
    """Serve until standard input ends, and end this process.

    What can be told at once is told at once, before the client's time for starting a server is over; the rest waits
    for the first call.

    Raises:
        TaskError: the task file is wrong.
        UsageError: the checkout is not there, or the folders lie in it.
        SandboxUnavailable: there is none.
        StorageError: the new checkout cannot be made.
    """
    loaded = load_task(options.task)
    use_sandbox(options.sandbox)
    tree = _tree(options, loaded)
    run_options = _run_options(options, loaded, tree)
    # Slow to import, and of no use to who is told of a mistake.
    from harness.tool_service.inside.mcp_server import serve_stdio  # noqa: PLC0415
    from harness.tool_service.patience import Patience  # noqa: PLC0415
    from harness.tool_service.task_tools import TaskTools, offered_tools  # noqa: PLC0415

    tools = TaskTools(run_options, loaded, tree)

    def end(code: int) -> NoReturn:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        tools.close()
        # A thread may still read standard input, and would hold the process until the client closes that.
        os._exit(code)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        end(130)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    instructions = _INSTRUCTIONS.format(tree=tree, title=loaded.task.title, targets=", ".join(loaded.task.target_files))
    print(f"harness mcp: serving {loaded.task.name} on {tree}", file=sys.stderr, flush=True)
    begin = Patience(tools.begin, options.patience).begin if options.patience > 0 else tools.begin
    serve_stdio(offered_tools(), begin, version=__version__, instructions=instructions)
    end(0)


def _tree(options: ServeOptions, loaded: LoadedTask) -> Path:
    if options.worktree is not None and options.new_worktree is not None:
        raise UsageError("--worktree and --new-worktree exclude each other.", remedy="Give one of them.")
    tree = (options.new_worktree or options.worktree or Path.cwd()).resolve()
    if options.new_worktree is not None:
        if make_checkout(loaded, tree):
            print(f"harness mcp: made a checkout of the base in {tree}", file=sys.stderr, flush=True)
    elif not tree.is_dir():
        raise UsageError(
            f"There is no folder {tree}.", remedy="Name a checkout, or have one made with --new-worktree DIR."
        )
    return tree


def _run_options(options: ServeOptions, loaded: LoadedTask, tree: Path) -> RunOptions:
    """Records and checkouts lie out of the way: a client starts this in the very folder that is measured."""
    records, checkouts = mcp_folders()
    out, worktrees = options.out or records, options.worktrees or checkouts
    for name, folder in (("--out", out), ("--worktrees", worktrees)):
        if folder.resolve().is_relative_to(tree):
            raise UsageError(
                f"{name} {folder} lies in the checkout that is measured, {tree}.", remedy="Choose a folder outside it."
            )
    return RunOptions(task=str(loaded.file), out=out, worktrees=worktrees, seed=options.seed, sandbox=options.sandbox)
