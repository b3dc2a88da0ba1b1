"""What a run left on disk, read for people: bounded in size, and never stopped by a file that is damaged."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from agent.trajectory import TrajectoryError, TrajectoryEvent, read_back
from harness.events import AttemptBriefed, Event
from harness.journal import is_being_written
from harness.references import References, kept_references
from harness.run_state import AttemptState, RunState, fold
from harness.show import patch_file
from harness.store import AttemptFolder, RunFolder
from harness.text import counted
from harness.timing.measurement import Measurement
from harness.verdict import NOT_JUDGED, REFERENCE, NoiseFloor, Verdict
from harness.verdict_folder import read_state

MOST_PATCH_BYTES = 400_000
MOST_SAMPLES_BYTES = 64_000_000
MOST_EVENTS = 4_000
MOST_SESSION_BYTES = 64_000_000
LOG_TAIL_BYTES = 4_000


@dataclass(frozen=True)
class Clipped:
    """Text of a file, and how many bytes of it were left out."""

    text: str
    left_out: int = 0


def is_plain(path: Path) -> bool:
    """Whether it is a file itself: a link in a folder that came from elsewhere may lead anywhere, a pipe may block."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def read_clipped(path: Path, most: int, *, tail: bool = False) -> Clipped:
    """The first `most` bytes of a file (the last, with `tail`) as text; empty where there is no plain file."""
    try:
        if not is_plain(path):
            return Clipped("")
        size = path.stat().st_size
        with path.open("rb") as file:
            if tail and size > most:
                file.seek(size - most)
            data = file.read(most)
    except OSError:
        return Clipped("")
    return Clipped(data.decode("utf-8", "replace"), max(0, size - len(data)))


@dataclass(frozen=True)
class AttemptMaterial:
    """One attempt: how far it came, and what it left. Files are read when they are asked for."""

    folder: AttemptFolder
    state: AttemptState
    noise: NoiseFloor | None = None
    reference: Verdict | None = None
    brief: AttemptBriefed | None = None

    @property
    def name(self) -> str:
        """The attempt's name."""
        return self.folder.name

    @property
    def verdict(self) -> Verdict | None:
        """Its verdict, once it has one."""
        return self.state.verdict

    @property
    def status(self) -> str:
        """The verdict's status; `not_judged` for an imported session, `running` where there is no verdict yet."""
        if self.verdict is None:
            return "running"
        return self.verdict.status if self.verdict.was_judged else NOT_JUDGED

    @cached_property
    def patch(self) -> Clipped:
        """The diff that was judged."""
        path = patch_file(self.verdict, self.folder) if self.verdict else None
        # The path stands in the journal, and a journal may come from elsewhere.
        if path is None or not path.resolve().is_relative_to(self.folder.run.path.resolve()):
            path = self.folder.patch
        return read_clipped(path, MOST_PATCH_BYTES)

    @cached_property
    def measurement(self) -> Measurement | None:
        """The measurement that was published (the confirmation, where there was one), with all samples."""
        try:
            if not is_plain(self.folder.samples) or self.folder.samples.stat().st_size > MOST_SAMPLES_BYTES:
                return None
            kept = json.loads(self.folder.samples.read_text(encoding="utf-8", errors="replace"))
            published = kept.get("confirmation") or kept.get("selection")
            return Measurement.model_validate(published) if published else None
        except (OSError, ValueError, AttributeError, RecursionError):
            return None

    @cached_property
    def events(self) -> tuple[list[TrajectoryEvent], str]:
        """The session's events, and a sentence about what of it cannot be shown (empty if all can)."""
        try:
            if not is_plain(self.folder.trajectory):
                return [], "No session was recorded."
            if self.folder.trajectory.stat().st_size > MOST_SESSION_BYTES:
                return [], f"The session is over {MOST_SESSION_BYTES / 1e6:.0f} MB long and is not shown."
            found = read_back(self.folder.trajectory)
        except (OSError, TrajectoryError) as error:
            return [], f"The session cannot be read: {error}"
        left_out = counted(len(found.problems), "line was", "lines were")
        problem = f"{left_out} left out: {found.problems[0]}" if found.problems else ""
        if len(found.events) > MOST_EVENTS:
            problem = f"Only the first {MOST_EVENTS:,} events are shown. {problem}"
        return found.events[:MOST_EVENTS], problem or ("" if found.events else "No session was recorded.")

    @cached_property
    def build_log(self) -> Clipped:
        """The end of what the build printed."""
        return read_clipped(self.folder.build_log, LOG_TAIL_BYTES, tail=True)


@dataclass(frozen=True)
class RunMaterial:
    """One run: its journal, folded, and its attempts in the order in which they started."""

    folder: RunFolder
    state: RunState
    status: str
    attempts: list[AttemptMaterial] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts, controls too."""
        return self.state.verdicts

    @property
    def judged(self) -> list[Verdict]:
        """The verdicts on the agents' own attempts."""
        return [verdict for verdict in self.verdicts if not verdict.is_control]

    @cached_property
    def ranked(self) -> list[AttemptMaterial]:
        """Attempts with the best first: faster ones by their interval's low end, then the others, controls last."""
        return sorted(self.attempts, key=_order)

    @property
    def best(self) -> AttemptMaterial | None:
        """The attempt a reader came for: the best, whatever it came to; None where no attempt started."""
        return self.ranked[0] if self.ranked else None

    @property
    def reference(self) -> Verdict | None:
        """The task's reference patch as it was judged in this run; None where there is none."""
        return _reference(self.state)

    @property
    def noise(self) -> NoiseFloor | None:
        """The base against itself."""
        return _noise(self.state)

    @property
    def task(self) -> str | None:
        """The task's name; None before the first event."""
        named = [self.state.started.task] if self.state.started else [verdict.task for verdict in self.verdicts]
        return next(iter(named), None)

    @cached_property
    def figures(self) -> tuple[References | None, str]:
        """The task's reference figures, and why they cannot be shown (empty if they can, or there are none)."""
        return kept_references(self.folder.references)


_AFTER = ["same", "slower", "incorrect", "rejected", "build_failed", "no_patch", "agent_failed", "infra_failed"]


def _order(attempt: AttemptMaterial) -> tuple[int, int, float, str]:
    verdict = attempt.verdict
    if verdict is None:
        return 1, 0, 0.0, attempt.name
    if verdict.status == "faster" and verdict.speedup:
        return int(verdict.is_control) * 2, 0, -verdict.speedup.low, attempt.name
    place = _AFTER.index(verdict.status) if verdict.status in _AFTER else len(_AFTER)
    estimate = verdict.speedup.estimate if verdict.speedup else 0.0
    return 1 + int(verdict.is_control), 1 + place, -estimate, attempt.name


def _reference(state: RunState) -> Verdict | None:
    return next((each for each in state.verdicts if each.agent == REFERENCE and each.speedup), None)


def _noise(state: RunState) -> NoiseFloor | None:
    if state.admitted:
        return state.admitted.noise
    measured = (verdict.timing.noise for verdict in state.verdicts if verdict.timing)
    return next((noise for noise in measured if noise), None)


def run_status(folder: RunFolder, state: RunState) -> str:
    """`finished`, `interrupted`, `failed`, `running` or `killed`."""
    if state.finished:
        return "interrupted" if state.interrupted else "failed" if state.error else "finished"
    return "running" if is_being_written(folder.journal) else "killed"


def read_run(folder: RunFolder, events: list[Event] | None = None) -> RunMaterial:
    """Read a run back.

    Args:
        folder: where it is.
        events: its journal, if that was read already.

    Raises:
        HarnessError: the journal cannot be read or is damaged.
    """
    state = read_state(folder.path) if events is None else fold(events)
    noise = _noise(state)
    reference = _reference(state)
    attempts = [
        AttemptMaterial(folder.attempt(name), attempt, noise, reference, state.briefs.get(name))
        for name, attempt in state.attempts.items()
    ]
    return RunMaterial(folder, state, run_status(folder, state), attempts)
