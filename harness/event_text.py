"""An event as one printable line: for logs, for whoever watches, for the live page."""

from __future__ import annotations

from functools import singledispatch

from harness.brief_view import began_text
from harness.events import (
    AdmissionStep,
    Admitted,
    AgentNotice,
    AgentStep,
    AttemptBriefed,
    AttemptFinished,
    AttemptRetried,
    AttemptWaiting,
    Event,
    NodeJoined,
    NodeLeft,
    PhaseStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    TimingProgress,
)
from harness.noise import loud_text
from harness.show import headline
from harness.text import bar, counted, interval_text, printable, shortened
from harness.timing.measurement import Progress

DETAIL_WIDTH = 100
WAITING = "waiting its turn to measure, or for a measurement on this machine to end"


@singledispatch
def describe(_event: Event) -> str:
    """An event as one printable line; empty for those a reader can do without."""
    return ""


@describe.register
def _(event: RunStarted) -> str:
    who = f"{event.agent} ({event.model})" if event.model else event.agent
    controls = f", controls: {event.controls}" if event.controls else ""
    head = printable(f"run {event.run}: {event.task}, agent {who}, attempts: {event.attempts}{controls}")
    return f"{head}\n{printable(event.note, multiline=True)}" if event.note else head


@describe.register
def _(event: AdmissionStep) -> str:
    detail = progress_text(event.progress) if event.progress else shortened(event.detail, DETAIL_WIDTH)
    state = "" if event.progress and event.state == "started" else f" {event.state}"
    return f"base{_on(event.node)}: {event.step.replace('_', ' ')}{state}{f': {detail}' if detail else ''}"


@describe.register
def _(event: Admitted) -> str:
    """What the base came to, and on a line of its own what a noisy machine takes from every attempt."""
    where = f"base{_on(event.node)}"
    tests = counted(event.expected_tests, "test")
    head = f"{where}: admitted, {tests}, base against itself {interval_text(event.noise.speedup)}"
    loud = loud_text(event.noise)
    return f"{head}\n{where}: {loud}" if loud else head


@describe.register
def _(event: NodeJoined) -> str:
    return printable(f"node {event.node} works for the run: {event.device.name}, sandbox {event.sandbox}")


@describe.register
def _(event: NodeLeft) -> str:
    return printable(f"node {event.node} is left out: {event.why}", multiline=True)


def _on(node: str | None) -> str:
    return "" if node is None else f" on {printable(node)}"


@describe.register
def _(event: AttemptBriefed) -> str:
    """What an attempt goes on from; empty where it begins from nothing and nobody gave it a hint."""
    parts = [began] if (began := began_text(event)) else []
    if event.hints:
        parts.append(f"hints: {len(event.hints)}, the last: {shortened(event.hints[-1], 60)}")
    return printable(f"{event.attempt}: {', '.join(parts)}") if parts else ""


@describe.register
def _(event: PhaseStarted) -> str:
    return f"{printable(event.attempt)}: {event.phase}"


@describe.register
def _(event: AgentStep) -> str:
    what = shortened(f"{event.tool} {event.detail}", DETAIL_WIDTH)
    return f"{printable(event.attempt)}: step {event.step}: {what}"


@describe.register
def _(event: AgentNotice) -> str:
    return f"{printable(event.attempt)}: {printable(event.text, multiline=True)}"


@describe.register
def _(event: AttemptWaiting) -> str:
    return "" if event.over else f"{printable(event.attempt)}: {WAITING}"


@describe.register
def _(event: TimingProgress) -> str:
    return f"{printable(event.attempt)}: {event.phase}: {progress_text(event.progress)}"


@describe.register
def _(event: AttemptRetried) -> str:
    why = shortened(event.message, DETAIL_WIDTH)
    return f"{printable(event.attempt)}: again in {event.pause_seconds:g} s ({printable(event.cause)}: {why})"


@describe.register
def _(event: AttemptFinished) -> str:
    return f"{headline(event.verdict).plain}: {printable(event.verdict.message)}"


@describe.register
def _(event: RunResumed) -> str:
    forced = f"; changed since it began: {', '.join(event.forced)}" if event.forced else ""
    more = "" if event.finished < event.attempts else f"; `harness resume {event.run} -n K` adds attempts"
    return printable(f"run {event.run}: resumed, {event.finished} of {event.attempts} judged{forced}{more}")


@describe.register
def _(event: RunFinished) -> str:
    ending = "interrupted" if event.interrupted else "failed" if event.error else "finished"
    return printable(f"run {event.run}: {event.budget or ending}")


def progress_text(progress: Progress, *, drawn: bool = False) -> str:
    """How far a measurement is, and its interval so far."""
    drawing = bar(progress.sessions, progress.most_sessions) + " " if drawn else "sessions "
    return f"{drawing}{progress.sessions}/{progress.most_sessions}  {interval_text(progress.speedup)}"
