"""A run drawn in place on a terminal: a line for each attempt at work, what is over scrolling up."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, cast

from harness.event_text import WAITING, describe, progress_text
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
    Event,
    NodeJoined,
    NodeLeft,
    PhaseStarted,
    RunResumed,
    RunStarted,
    TimingProgress,
)
from harness.printing import Outlet
from harness.show import headline
from harness.text import counted, duration_text, printable, safe

if TYPE_CHECKING:
    from rich.console import Console, Group

TICK_SECONDS = 0.5


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
            self.past.append(f"{self.now} ({counted(self.steps, 'step')})" if self.now == "agent" else self.now)
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

        self._console = console or Console(file=cast("IO[str]", Outlet(sys.stderr)), highlight=False)
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
        if isinstance(event, RunStarted | Admitted | NodeJoined | NodeLeft | AgentNotice):
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
        elif isinstance(event, AttemptBriefed):
            if told := describe(event):
                self._console.print(safe(told))
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


def _began(at: str) -> float:
    """When an event was, on this process's monotonic clock; now, if it does not say."""
    try:
        past = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    except (ValueError, TypeError):
        past = 0.0
    return time.monotonic() - max(0.0, past)
