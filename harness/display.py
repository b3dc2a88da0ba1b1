"""A run as it is watched: observers of its events, and the summary at its end.

Three observers with one shape, called with every event: `LiveDisplay` draws on a terminal, `PlainDisplay` writes a
line for each thing that changes, `JsonDisplay` prints the events themselves.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from harness.events import (
    AdmissionStep,
    Admitted,
    AgentNotice,
    AgentStep,
    AttemptBriefed,
    AttemptFinished,
    AttemptRetried,
    AttemptStarted,
    AttemptWaiting,
    Emit,
    Event,
    PhaseStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    TimingProgress,
)
from harness.journal import encode_event
from harness.leaderboard import leaderboard
from harness.leaderboard_forms import board_table
from harness.show import best_of_text, headline, patch_file, shown_path, workload_table
from harness.store import RunFolder, find_runs, read_verdicts
from harness.text import bar, duration_text, interval_text, printable, safe, shortened
from harness.timing.measurement import Progress
from harness.verdict import Verdict
from harness.watch import follow

if TYPE_CHECKING:
    from rich.console import Console, Group

DETAIL_WIDTH = 100
WAITING = "waiting to measure: something else on this machine measures, or has yet to give way"
LOOK_SECONDS = 5.0
TICK_SECONDS = 0.5


class JsonDisplay:
    """Prints every event as one line of JSON. A reader that went away does not end the run."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream: TextIO | None = stream or sys.stdout

    def __call__(self, event: Event) -> None:
        """Print `event`."""
        self._stream = _written(self._stream, encode_event(event))


class PlainDisplay:
    """Writes one plain line for each thing that changes; of a measurement, a look every few seconds and the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream: TextIO | None = stream or sys.stderr
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
            self._stream = _written(self._stream, line)


def _written(stream: TextIO | None, line: str) -> TextIO | None:
    """Write a line; gives the stream back, or None once its reader is gone."""
    if stream is None:
        return None
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        return None
    return stream


def describe(event: Event) -> str:  # noqa: PLR0911 - one return for each kind of event
    """An event as one printable line; empty for those a reader can do without."""
    if isinstance(event, RunStarted):
        who = f"{event.agent} ({event.model})" if event.model else event.agent
        controls = f", controls: {event.controls}" if event.controls else ""
        head = printable(f"run {event.run}: {event.task}, agent {who}, attempts: {event.attempts}{controls}")
        return f"{head}\n{printable(event.note)}" if event.note else head
    if isinstance(event, AdmissionStep):
        detail = progress_text(event.progress) if event.progress else shortened(event.detail, DETAIL_WIDTH)
        state = "" if event.progress and event.state == "started" else f" {event.state}"
        return f"base: {event.step.replace('_', ' ')}{state}{f': {detail}' if detail else ''}"
    if isinstance(event, Admitted):
        noise = interval_text(event.noise.speedup)
        return f"base: admitted, {event.expected_tests} tests, base against itself {noise}"
    if isinstance(event, AttemptBriefed):
        return brief_text(event)
    if isinstance(event, PhaseStarted):
        return f"{printable(event.attempt)}: {event.phase}"
    if isinstance(event, AgentStep):
        what = shortened(f"{event.tool} {event.detail}", DETAIL_WIDTH)
        return f"{printable(event.attempt)}: step {event.step}: {what}"
    if isinstance(event, AgentNotice):
        return f"{printable(event.attempt)}: {printable(event.text, multiline=True)}"
    if isinstance(event, TimingProgress):
        return f"{printable(event.attempt)}: {event.phase}: {progress_text(event.progress)}"
    if isinstance(event, AttemptWaiting):
        return "" if event.over else f"{printable(event.attempt)}: {WAITING}"
    if isinstance(event, AttemptRetried):
        why = shortened(event.message, DETAIL_WIDTH)
        return f"{printable(event.attempt)}: again in {event.pause_seconds:g} s ({printable(event.cause)}: {why})"
    if isinstance(event, AttemptFinished):
        return f"{headline(event.verdict).plain}: {printable(event.verdict.message)}"
    if isinstance(event, RunResumed):
        forced = f"; changed since it began: {', '.join(event.forced)}" if event.forced else ""
        return printable(f"run {event.run}: resumed, {event.finished} of {event.attempts} judged{forced}")
    if isinstance(event, RunFinished):
        ending = "interrupted" if event.interrupted else "failed" if event.error else "finished"
        return printable(f"run {event.run}: {event.budget or ending}")
    return ""


def brief_text(event: AttemptBriefed) -> str:
    """What an attempt goes on from, in a line; empty where it begins from nothing and nobody gave it a hint."""
    parts = [f"{event.kind} of {', '.join(event.parents)}"] if event.parents else []
    parts += [f"begins with the patch of {event.start_from}"] if event.start_from else []
    parts += [f"island {event.island}"] if event.island is not None and parts else []
    parts += [f"hints: {len(event.hints)}"] if event.hints else []
    return printable(f"{event.attempt}: {', '.join(parts)}") if parts else ""


def progress_text(progress: Progress, *, drawn: bool = False) -> str:
    """How far a measurement is, and its interval so far."""
    drawing = bar(progress.sessions, progress.most_sessions) + " " if drawn else "sessions "
    return f"{drawing}{progress.sessions}/{progress.most_sessions}  {interval_text(progress.speedup)}"


@dataclass
class _Track:
    """One line of the live display that moves through phases: the admission of the base, or an attempt."""

    name: str
    began: float = field(default_factory=time.monotonic)
    past: list[str] = field(default_factory=list)
    now: str = ""
    detail: str = ""
    steps: int = 0
    timing: bool = False
    waits: bool = False

    def enter(self, phase: str) -> None:
        if self.now:
            self.past.append(f"{self.now} ({self.steps} steps)" if self.now == "agent" else self.now)
        self.now, self.detail, self.waits = phase, "", False
        self.timing = phase in ("timing", "confirmation", "noise", "known_effect")


class LiveDisplay:
    """Draws the run in place on a terminal; what is over scrolls up as a plain line.

    Nothing is drawn by the clock while something is being measured: the measurement's clock is in this
    very process, and a repaint would sit in the middle of a sample. Then only events repaint, between sessions.
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console  # noqa: PLC0415 - rich is slow to import
        from rich.live import Live  # noqa: PLC0415

        self._console = console or Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="display", daemon=True)
        self._began = time.monotonic()
        self._title = ""
        self._planned = self._finished = 0
        self._tracks: dict[str, _Track] = {}

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        self._ticker.start()
        return self

    def __exit__(self, *ending: object) -> None:
        self._stop.set()
        self._ticker.join()
        with self._lock:
            self._tracks.clear()
            self._live.update(safe(""), refresh=True)
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take `event` in and repaint."""
        with self._lock:
            self._take(event)
            self._live.update(self._drawing(), refresh=True)

    def _tick(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            with self._lock:
                if not any(track.timing for track in self._tracks.values()):
                    self._live.update(self._drawing(), refresh=True)

    def _take(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._title = printable(" · ".join(filter(None, (event.task, event.agent, event.model))))
            self._planned = event.attempts + event.controls
            self._began = _began(event.at)  # a watcher comes late
        if isinstance(event, RunStarted | Admitted):
            self._tracks.pop("base", None)
        if isinstance(event, RunStarted | Admitted | AgentNotice):
            # Paths in it are to be copied: they must not be folded.
            self._console.print(safe(describe(event), multiline=True), soft_wrap=isinstance(event, AgentNotice))
        elif isinstance(event, AdmissionStep):
            track = self._tracks.setdefault("base", _Track("base", _began(event.at)))
            if track.now != event.step:
                track.enter(event.step)
            track.detail = progress_text(event.progress, drawn=True) if event.progress else event.detail
        elif isinstance(event, RunResumed):
            self._planned, self._finished = event.attempts, event.finished
            self._title = self._title or printable(event.run)
            self._console.print(safe(describe(event)))
        elif isinstance(event, AttemptRetried):
            self._tracks.pop(event.attempt, None)
            self._console.print(safe(describe(event)))
        elif isinstance(event, AttemptFinished):
            self._tracks.pop(event.attempt, None)
            self._finished += 1
            self._console.print(headline(event.verdict))
        elif isinstance(event, AttemptStarted | PhaseStarted | AgentStep | AttemptWaiting | TimingProgress):
            self._take_attempt(event, self._tracks.setdefault(event.attempt, _Track(event.attempt, _began(event.at))))

    def _take_attempt(
        self, event: AttemptStarted | PhaseStarted | AgentStep | AttemptWaiting | TimingProgress, track: _Track
    ) -> None:
        if isinstance(event, PhaseStarted):
            track.enter(event.phase)
        elif isinstance(event, AttemptWaiting):
            track.waits = not event.over
        elif isinstance(event, AgentStep):
            track.steps, track.waits = event.step, False
            track.detail = f"step {event.step}  {event.tool}  {event.detail}"
            track.timing = event.tool == "measure"
        elif isinstance(event, TimingProgress):
            track.detail = progress_text(event.progress, drawn=True)

    def _drawing(self) -> Group:
        from rich.console import Group  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        now = time.monotonic()
        count = f"  {self._finished}/{self._planned} judged" if self._planned > 1 else ""
        lines = [safe(f"{self._title}{count}  {duration_text(now - self._began)}", "bold")]
        # What does not fit on the screen cannot be redrawn in place.
        tracks = list(self._tracks.values())
        fits = max(1, self._console.height // 2 - 2)
        for track in tracks[:fits]:
            done = "".join(f"✓ {phase}  " for phase in track.past)
            lines.append(safe(f"{track.name}  {done}→ {track.now}  {duration_text(now - track.began)}"))
            if track.waits:
                lines.append(Text.assemble("  ", safe(WAITING, "yellow")))
            elif track.detail:
                lines.append(Text.assemble("  ", safe(track.detail, "dim")))
        if len(tracks) > fits:
            lines.append(safe(f"... and {len(tracks) - fits} more at work", "dim"))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines)


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
    print(f"{folder.name}: its process is gone and the run is not over; `harness list` says more.", file=sys.stderr)
    return 4


def _began(at: str) -> float:
    """When an event was, on this process's monotonic clock; now, if it does not say."""
    try:
        past = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    except (ValueError, TypeError):
        past = 0.0
    return time.monotonic() - max(0.0, past)


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

    console = console or Console(stderr=error, highlight=False)
    detailed = len(verdicts) <= 4
    for verdict in verdicts:
        console.print(headline(verdict))
        if detailed:
            console.print(safe(f"  {verdict.message}", multiline=True))
            if verdict.workloads:
                console.print(workload_table(verdict.workloads))
        if best := best_of_text(verdict):
            console.print(safe(f"  {best} (wide enough for having been chosen)"))
        patch = patch_file(verdict, run_folder.attempt(verdict.attempt)) if verdict.attempt else None
        if patch:
            console.print(safe(f"  patch: {shown_path(patch)}"), soft_wrap=True)
    if not verdicts:
        console.print("No attempt was judged.")
    # A damaged run elsewhere is `harness leaderboard`'s to report; this run's end is not the place.
    judged, _ = read_verdicts(find_runs(run_folder.path.parent))
    tasks = {verdict.task for verdict in verdicts}
    for board in leaderboard(verdict for verdict in judged if verdict.task in tasks):
        console.print(board_table(board))
    console.print(safe(f"run: {shown_path(run_folder.path)}"), soft_wrap=True)
