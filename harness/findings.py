"""What `harness check` finds, as it finds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.events import AdmissionStep, Event
from harness.mutation_score import MutationScore
from harness.verdict import Record


class CheckFinding(Record):
    """One thing tried. `passed` is None where it could not be tried and need not be."""

    check: str
    passed: bool | None
    message: str
    seconds: float


class CheckReport(Record):
    """What `harness check` found: admitted when nothing failed."""

    task: str
    admitted: bool
    findings: list[CheckFinding]
    mutants: MutationScore | None
    seconds: float


@dataclass(frozen=True)
class Watch:
    """Who is told: `begun` before each check, `done` after it, `note` in between."""

    begun: Callable[[str], None]
    note: Callable[[str], None]
    done: Callable[[CheckFinding], None]


class Recorder:
    """Turns what happens into findings, and tells the watcher."""

    def __init__(self, watch: Watch, findings: list[CheckFinding]) -> None:
        self._watch = watch
        self._findings = findings
        self._title = ""
        self._began = 0.0
        self._open = False

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A check; `say` inside it says how it ended."""
        self._begin(title)
        yield

    def say(self, message: str, passed: bool | None = True) -> None:
        """End the check under way."""
        self._open = False
        seconds = round(time.monotonic() - self._began, 1)
        self._findings.append(CheckFinding(check=self._title, passed=passed, message=message, seconds=seconds))
        self._watch.done(self._findings[-1])

    def failed(self, message: str) -> None:
        """The check under way failed, and ends all; between two of them it is the base that cannot be tried at all."""
        if not self._open:
            self._begin("base")
        self.say(message, passed=False)

    def admission(self, event: Event) -> None:
        """The admission's own steps are checks too."""
        if not isinstance(event, AdmissionStep) or event.progress is not None:
            return
        if event.state == "started":
            self._begin(f"base: {event.step.replace('_', ' ')}")
        else:
            self.say(event.detail)

    def _begin(self, title: str) -> None:
        self._title, self._began, self._open = title, time.monotonic(), True
        self._watch.begun(title)
