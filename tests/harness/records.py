"""Builders of events and verdicts, and a run folder written with them, for tests of what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.events import (
    AdmissionStep,
    Admitted,
    AgentStep,
    AttemptFinished,
    AttemptStarted,
    Event,
    PhaseStarted,
    RunFinished,
    RunStarted,
    TimingProgress,
)
from harness.journal import Journal
from harness.store import RunFolder
from harness.timing.measurement import Progress
from harness.verdict import (
    Cost,
    Device,
    Interval,
    NoiseFloor,
    PatchStats,
    TimingEvidence,
    Tokens,
    Verdict,
    WorkloadResult,
)

AT = "2026-11-21T00:45:12+00:00"
COMMIT = "1f" * 20
DIFF = "--- a/moe_align/align.py\n+++ b/moe_align/align.py\n@@ -1 +1 @@\n-slow = [1]\n+fast = [2]\n"

# One of everything that has ever made a terminal misbehave.
HOSTILE = "[bold red]x[/] \x1b[2J\x1b]0;owned\x07\x9b31m\x07\x08\r\n\u202eevil\u202c </b><script> |a| `b` \udc80"


def interval(estimate: float, low: float | None = None, high: float | None = None) -> Interval:
    return Interval(
        estimate=estimate,
        low=estimate * 0.95 if low is None else low,
        high=estimate * 1.05 if high is None else high,
    )


def device(name: str = "AMD EPYC") -> Device:
    return Device(kind="cpu", name=name, cores=2, memory_gb=8.0, platform="linux", versions={"torch": "2.9"})


def verdict(status: str = "faster", speedup: float | None = 3.91, **changes: Any) -> Verdict:  # noqa: ANN401 - any field
    timed = status in ("faster", "same", "slower")
    ratio = interval(speedup) if timed and speedup is not None else None
    workloads = [
        WorkloadResult(name="decode-1", held_out=False, base_us=1234.5, candidate_us=315.7, speedup=interval(3.91)),
        WorkloadResult(name="prefill-16k", held_out=True, base_us=98.76, candidate_us=9.876, speedup=interval(10.0)),
    ]
    fields: dict[str, Any] = {
        "run": "moe_align-20261121-004512",
        "attempt": "001",
        "task": "moe_align",
        "agent": "replay",
        "model": None,
        "status": status,
        "cause": None if timed else "some_cause",
        "message": f"It is {status}.",
        "speedup": ratio,
        "workloads": workloads if timed else [],
        "timing": TimingEvidence(
            selection=ratio,
            confirmation=ratio,
            sessions=16,
            min_effect=0.02,
            noise=NoiseFloor(speedup=interval(1.0), sessions=16),
        )
        if ratio
        else None,
        "patch": PatchStats(
            path="001/model_patch.diff", sha256="ab" * 32, files=["moe_align/align.py"], insertions=12, deletions=3
        ),
        "base_commit": COMMIT,
        "device": device() if timed else None,
        "sandbox": "none",
        "cost": Cost(steps=9, tokens=Tokens(input=12000, output=800), usd=0.25, seconds=42.0),
        "harness_version": "0.1.0",
        "finished_at": AT,
    }
    return Verdict.model_validate({**fields, **changes})


def progress(sessions: int = 12, most: int = 32) -> Progress:
    return Progress(sessions=sessions, most_sessions=most, speedup=interval(3.91, 3.70, 4.12))


def story(judged: Verdict, *, attempts: int = 1, text: str = "python -m pytest -q") -> list[Event]:
    """Everything that happens in a run of one attempt."""
    run, attempt = judged.run or "run", judged.attempt or "001"
    noise = NoiseFloor(speedup=interval(1.0, 0.99, 1.01), sessions=16)
    return [
        RunStarted(
            at=AT,
            run=run,
            task=judged.task,
            task_file="moe_align.yaml",
            agent=judged.agent,
            model=judged.model,
            attempts=attempts,
            base_commit=COMMIT,
            base_tree=COMMIT,
            harness_version="0.1.0",
            note="Plays a recorded session.",
        ),
        AdmissionStep(at=AT, step="tests", state="started"),
        AdmissionStep(at=AT, step="tests", state="passed", detail="41 passed"),
        AdmissionStep(at=AT, step="noise", state="started", progress=progress(1)),
        Admitted(at=AT, noise=noise, expected_tests=41),
        AttemptStarted(at=AT, attempt=attempt),
        PhaseStarted(at=AT, attempt=attempt, phase="agent"),
        AgentStep(at=AT, attempt=attempt, step=1, tool="shell", detail=text),
        AgentStep(at=AT, attempt=attempt, step=2, tool="measure", detail=""),
        PhaseStarted(at=AT, attempt=attempt, phase="timing"),
        TimingProgress(at=AT, attempt=attempt, phase="timing", progress=progress()),
        AttemptFinished(at=AT, attempt=attempt, verdict=judged),
        RunFinished(at=AT, run=run, attempts=[judged]),
    ]


def write_run(out: Path, judged: Verdict, events: list[Event] | None = None, diff: str = DIFF) -> RunFolder:
    """A run's folder as a run leaves it."""
    folder = RunFolder(out / (judged.run or "run"))
    attempt = folder.attempt(judged.attempt or "001").create()
    attempt.patch.write_text(diff, encoding="utf-8", errors="replace")
    attempt.prompt.write_text("Make it faster.")
    with Journal(folder.journal) as journal:
        for event in story(judged) if events is None else events:
            journal.append(event)
    return folder
