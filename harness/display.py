"""A run as it is watched: observers of its events, and the summary at its end.

Three observers with one shape, called with every event: `LiveDisplay` draws on a terminal, `PlainDisplay` writes a
line for each thing that changes, `JsonDisplay` prints the events themselves.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, TextIO, cast

from harness.event_text import describe
from harness.events import AdmissionStep, Emit, Event, RunFinished, TimingProgress
from harness.journal import encode_event
from harness.leaderboard import leaderboard
from harness.leaderboard_tables import board_table
from harness.live_display import LiveDisplay
from harness.printing import Outlet
from harness.show import headline, patch_file, picked_text, shown_path, workload_table
from harness.store import RunFolder, find_runs
from harness.text import interval_text, safe
from harness.verdict import Verdict
from harness.verdict_folder import read_verdicts
from harness.watch import follow

if TYPE_CHECKING:
    from rich.console import Console

LOOK_SECONDS = 5.0


class JsonDisplay:
    """Prints every event as one line of JSON. A reader that went away does not end the run."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = Outlet(stream or sys.stdout)

    def __call__(self, event: Event) -> None:
        """Print `event`."""
        self._stream.write(encode_event(event) + "\n")
        self._stream.flush()


class PlainDisplay:
    """Writes one plain line for each thing that changes; of a measurement, a look every few seconds and the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = Outlet(stream or sys.stderr)
        self._next_look = 0.0

    def __call__(self, event: Event) -> None:
        """Write the line for `event`, if it has one."""
        progress = event.progress if isinstance(event, AdmissionStep | TimingProgress) else None
        if progress is not None and not (isinstance(event, AdmissionStep) and event.state == "passed"):
            done = progress.sessions >= progress.most_sessions
            if not done and time.monotonic() < self._next_look:
                return
            self._next_look = time.monotonic() + LOOK_SECONDS
        line = describe(event)
        if line:
            self._stream.write(line + "\n")
            self._stream.flush()


@contextmanager
def watching(*, json: bool) -> Iterator[Emit]:
    """The observers a run gets: people read stderr, drawn or plain; with `json` programs read stdout too."""
    printer = JsonDisplay() if json else None

    def both(human: Emit) -> Emit:
        def emit(event: Event) -> None:
            human(event)
            if printer is not None:
                printer(event)

        return emit

    # Drawing in place and lines of JSON do not share a terminal.
    if sys.stderr.isatty() and not (json and sys.stdout.isatty()) and os.environ.get("TERM") != "dumb":
        with LiveDisplay() as live:
            yield both(live)
    else:
        yield both(PlainDisplay())


def watch_run(folder: RunFolder, *, json: bool) -> int:
    """Show a run that another process makes until it ends, then what it came to.

    Returns:
        0 for a run that came to its end, 4 for one whose process is gone.
    """
    verdicts: list[Verdict] = []
    ended = False
    with watching(json=json) as emit:
        for event in follow(folder.journal):
            emit(event)
            if isinstance(event, RunFinished):
                verdicts, ended = event.attempts, True
    if ended:
        print_summary(verdicts, folder, error=json)
        return 0
    way = f"`harness resume {folder.name}` goes on with it" if folder.plan.is_file() else "`harness list` says more"
    print(f"{folder.name}: its process is gone and the run is not over; {way}.", file=sys.stderr)
    return 4


def print_summary(
    verdicts: Sequence[Verdict], run_folder: RunFolder, *, console: Console | None = None, error: bool = False
) -> None:
    """What a run came to: each verdict, its workloads, where its patch is, and the board it now stands on.

    Args:
        verdicts: this run's.
        run_folder: the run; the board is made of all runs beside it.
        console: where to print; by default stdout, or stderr where `error` is set.
        error: print to stderr, because stdout belongs to `--json`.
    """
    from rich.console import Console  # noqa: PLC0415

    # Its reader may have gone: what the run came to is its exit code all the same.
    outlet = cast("IO[str]", Outlet(sys.stderr if error else sys.stdout))
    console = console or Console(file=outlet, highlight=False)
    detailed = len(verdicts) <= 4
    for verdict in verdicts:
        console.print(headline(verdict))
        if detailed:
            console.print(safe(f"  {verdict.message}", multiline=True))
            if verdict.workloads:
                console.print(workload_table(verdict.workloads))
        if picked := picked_text(verdict):
            own = f"; by itself it came to {interval_text(verdict.speedup)}" if verdict.speedup else ""
            console.print(safe(f"  {picked}: the interval in the first line allows for having been picked{own}"))
        patch = patch_file(verdict, run_folder.attempt(verdict.attempt)) if verdict.attempt else None
        if patch:
            console.print(safe(f"  patch: {shown_path(patch)}"), soft_wrap=True)
    if not verdicts:
        console.print("No attempt was judged.")
    # A damaged run elsewhere is `harness leaderboard`'s to report; this run's end is not the place.
    judged = read_verdicts(find_runs(run_folder.path.parent), problems=[])
    tasks = {verdict.task for verdict in verdicts}
    for board in leaderboard(verdict for verdict in judged if verdict.task in tasks):
        console.print(board_table(board))
    console.print(safe(f"run: {shown_path(run_folder.path)}"), soft_wrap=True)
