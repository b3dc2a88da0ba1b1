"""Runs made up from the project's own records, as large as a test or a picture needs them."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.events import (
    AdmissionStep,
    Admitted,
    AttemptBriefed,
    AttemptFinished,
    AttemptStarted,
    Event,
    RunFinished,
    RunStarted,
)
from harness.journal import encode_event
from harness.store import RunFolder
from harness.strict_json import strict_json
from harness.timing.gpu_records import GpuBlock, GpuEvidence
from harness.timing.measurement import Measurement, Sample
from harness.verdict import (
    Cost,
    Device,
    Finding,
    Interval,
    NoiseFloor,
    PatchStats,
    TimingEvidence,
    Tokens,
    Verdict,
    WorkloadResult,
)

BEGAN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
COMMIT = "1f" * 20
WORKLOADS = (
    ("decode-1x8", False, 151.0),
    ("decode-64x6", False, 168.0),
    ("chunk-512x8", False, 539.0),
    ("prefill-4096x2", False, 902.0),
    ("decode-16x8-zipf", True, 168.0),
    ("prefill-16384x8-zipf", True, 12_428.0),
)
NOISE = NoiseFloor(speedup=Interval(estimate=1.0, low=0.991, high=1.008), sessions=8)
CPU = Device(
    kind="cpu",
    name="Example CPU",
    cores=16,
    memory_gb=64.0,
    platform="Linux 6.12 x86_64 (cpython)",
    versions={"python": "3.12.4", "torch": "2.12.0"},
)
DIFF = """diff --git a/moe_align/align.py b/moe_align/align.py
index a8e226e..3b68a96 100644
--- a/moe_align/align.py
+++ b/moe_align/align.py
@@ -10,7 +10,7 @@ def align(ids, block_size):
     \"\"\"Groups ids by expert.\"\"\"
     # One pass over all of them.
-    order = sorted(range(len(ids)), key=lambda at: ids[at])
+    order = ids.argsort(kind="stable")
     counts = [0] * experts
-    for each in ids:
-        counts[each] += 1
+    counts = np.bincount(ids, minlength=experts)
     return order, counts
"""

EDIT = """*** Begin Patch
*** Update File: moe_align/align.py
@@
-    order = sorted(range(len(ids)), key=lambda at: ids[at])
+    order = ids.argsort(kind="stable")
*** End Patch
"""


def interval(estimate: float, spread: float = 0.03) -> Interval:
    return Interval(estimate=estimate, low=estimate * (1 - spread), high=estimate * (1 + spread))


def a_verdict(run: str, attempt: str, rng: random.Random, **changes: Any) -> Verdict:  # noqa: ANN401 - any field
    """A verdict as attempts end: about half of them faster, the others in every other way there is."""
    kinds = ["faster"] * 10 + ["same"] * 4 + ["slower", "incorrect", "incorrect", "rejected", "build_failed"]
    status = rng.choice([*kinds, "no_patch", "agent_failed", "infra_failed"])
    causes = {"incorrect": "wrong_output", "rejected": "outside_target_files", "build_failed": "exit_code"}
    factor = {"faster": math.exp(rng.gauss(0.9, 0.5)) + 0.06, "same": rng.gauss(1.0, 0.004), "slower": 0.8}.get(status)
    factor = max(1.05, factor) if factor and status == "faster" else factor
    workloads = []
    if factor:
        # About the whole's, so that their geometric mean is the whole's.
        tilts = [rng.gauss(0, 0.15) for _ in WORKLOADS]
        for (name, held_out, base), tilt in zip(WORKLOADS, tilts, strict=True):
            ratio = interval(factor * math.exp(tilt - sum(tilts) / len(tilts)), 0.06)
            workloads.append(
                WorkloadResult(
                    name=name, held_out=held_out, base_us=base, candidate_us=base / ratio.estimate, speedup=ratio
                )
            )
    speedup = interval(factor) if factor else None
    model = rng.choice(["small-1", "large-2", "large-2"])
    fields: dict[str, Any] = {
        "run": run,
        "attempt": attempt,
        "task": "moe_align",
        "agent": "loop",
        "model": model,
        "status": status,
        "cause": causes.get(status, "within_noise" if status == "same" else None if speedup else status),
        "message": f"The attempt came out {status.replace('_', ' ')}.",
        "speedup": speedup,
        "workloads": workloads,
        "timing": TimingEvidence(
            selection=interval(speedup.estimate * 1.02),
            confirmation=speedup if status == "faster" else None,
            sessions=16,
            min_effect=0.02,
            noise=NOISE,
            worker_sandbox="landlock",
        )
        if speedup
        else None,
        "patch": None
        if status in ("no_patch", "agent_failed")
        else PatchStats(
            path=f"{attempt}/model_patch.diff",
            sha256=f"{rng.getrandbits(256):064x}",
            files=["moe_align/align.py"],
            insertions=rng.randint(1, 90),
            deletions=rng.randint(0, 60),
        ),
        "findings": [
            Finding(rule="sets_threads", severity="review", file="moe_align/align.py", line=12, message="Sets threads.")
        ]
        if rng.random() < 0.1
        else [],
        "base_commit": COMMIT,
        "device": CPU,
        "sandbox": "bubblewrap",
        "cost": Cost(
            steps=rng.randint(4, 60),
            tokens=Tokens(input=rng.randint(20_000, 900_000), output=rng.randint(2_000, 40_000)),
            usd=round(rng.uniform(0.05, 2.4), 2),
            seconds=round(rng.uniform(60, 1800), 1),
        ),
        "harness_version": "0.1.0",
        "finished_at": (BEGAN + timedelta(minutes=int(attempt or 0))).isoformat(),
    }
    return Verdict.model_validate({**fields, **changes})


def _late(rng: random.Random, spread: float) -> float:
    """Skewed as timings are, with its median at 0."""
    return spread * (math.exp(rng.gauss(0, 0.8)) - 1)


def a_measurement(verdict: Verdict, rng: random.Random, *, gpu: bool = False, sessions: int = 8) -> Measurement:
    """Samples that scatter about a verdict's workloads; with the readings of a GPU where one is asked for."""
    assert verdict.speedup is not None
    samples = []
    for session in range(sessions):
        for each in verdict.workloads:
            drift = math.exp(rng.gauss(0, 0.01))
            for pair in range(10):
                base = each.base_us * drift * math.exp(_late(rng, 0.02))
                candidate = each.candidate_us * drift * math.exp(_late(rng, 0.03) + rng.gauss(0, 0.01))
                samples.append(
                    Sample(
                        session=session,
                        workload=each.name,
                        base_us=base,
                        candidate_us=candidate,
                        candidate_first=bool(pair % 2),
                        calls=4,
                        base_worker_us=base * 0.99,
                        candidate_worker_us=candidate * 0.99,
                    )
                )
    blocks = [
        GpuBlock(
            session=session,
            workload=each.name,
            base_mhz=1980 - session * 4 - rng.randint(0, 15),
            candidate_mhz=1980 - session * 4 - rng.randint(0, 15),
            least_mhz=1900,
            most_mhz=1980,
            temperature_c=44 + session + rng.randint(0, 2),
            power_w=310.0,
            reasons=[],
        )
        for session in range(sessions)
        for each in verdict.workloads
    ]
    return Measurement(
        speedup=verdict.speedup,
        workloads=verdict.workloads,
        samples=samples,
        sessions=sessions,
        stopped="decided",
        look_level=0.984,
        repeated_inputs=[],
        device=CPU,
        seconds=30.0,
        worker_sandbox="landlock",
        gpu=GpuEvidence(name="NVIDIA H100", uuid="GPU-0", driver="570.1", blocks=blocks) if gpu else None,
    )


def trajectory(steps: int) -> str:
    """A session of that many steps, a line for each event."""
    lines: list[dict[str, Any]] = [{"event": "prompt", "at": BEGAN.isoformat(), "text": "# Task\n\nMake it *faster*."}]
    for step in range(1, steps + 1):
        at = (BEGAN + timedelta(seconds=20 * step)).isoformat()
        name = ("shell", "apply_patch", "measure")[step % 3]
        asked = {
            "shell": '{"command": "sed -n 1,40p moe_align/align.py"}',
            "apply_patch": strict_json({"patch": EDIT}),
        }
        call = {"id": f"c{step}", "name": name, "arguments": asked.get(name, "{}")}
        turn = {
            "text": f"Step {step}: a look at **align**.",
            "tool_calls": [call],
            "usage": {"input": 900, "output": 80},
        }
        lines.append({"event": "turn", "at": at, "step": step, "seconds": 2.0, "turn": turn})
        lines.append({"event": "tool_call", "at": at, "step": step, "call": call})
        answers = {
            "measure": "Geometric mean: 1.69x [1.58, 1.80] from 6 sessions.",
            "apply_patch": "The patch is applied.",
        }
        answer = answers.get(name, "[exit code 0, 0.1 s]")
        result = {"call_id": f"c{step}", "name": name, "output": answer}
        lines.append({"event": "tool_result", "at": at, "step": step, "seconds": 0.2, "result": result})
    return "".join(strict_json(line) + "\n" for line in lines)


def a_search(attempt: str, judged: list[Verdict], rng: random.Random) -> AttemptBriefed:
    """What a strategy with two islands tells an attempt: a fresh start at first, then one of the best, or two."""
    best = sorted((each for each in judged if each.status == "faster"), key=lambda each: -each.counted_speedup)[:4]
    place = int(attempt)
    parents = (
        [str(each.attempt) for each in rng.sample(best, min(len(best), 1 + (place % 5 == 0)))] if place > 3 else []
    )
    return AttemptBriefed(
        at=BEGAN.isoformat(),
        attempt=attempt,
        strategy="evolve",
        kind=("fresh", "refine", "crossover")[len(parents)],
        parents=parents,
        start_from=parents[0] if parents else None,
        island=place % 2,
        hints=["Sort narrow keys."] if place % 7 == 0 else [],
    )


def descended(judged: Verdict, parent: Verdict, rng: random.Random) -> Verdict:
    """The verdict of an attempt that went on from another: if it is faster, then by about as much as its parent."""
    if judged.status != "faster" or judged.speedup is None or parent.speedup is None:
        return judged
    factor = parent.speedup.estimate * math.exp(rng.gauss(0.08, 0.12)) / judged.speedup.estimate

    def scaled(ratio: Interval) -> Interval:
        return Interval(**{key: value * factor for key, value in ratio.model_dump().items()})

    workloads = [
        each.model_copy(update={"speedup": scaled(each.speedup), "candidate_us": each.candidate_us / factor})
        for each in judged.workloads
    ]
    return judged.model_copy(update={"speedup": scaled(judged.speedup), "workloads": workloads})


def started(run: str, attempts: int, controls: int = 0) -> RunStarted:
    return RunStarted(
        at=BEGAN.isoformat(),
        run=run,
        task="moe_align",
        task_file="tasks/moe_align.yaml",
        agent="loop",
        model="large-2",
        attempts=attempts,
        controls=controls,
        base_commit=COMMIT,
        base_tree=COMMIT,
        harness_version="0.1.0",
    )


def write_synthetic_run(
    out: Path,
    attempts: int,
    *,
    seed: int = 1,
    name: str = "moe_align-20261120-090000",
    samples: int = 40,
    search: bool = False,
) -> RunFolder:
    """A finished run; the first `samples` timed attempts have raw samples, which are what takes the time.

    With `search` its attempts go on from one another.
    """
    rng, choices = random.Random(seed), random.Random(seed)
    folder = RunFolder(out / name)
    folder.path.mkdir(parents=True)
    events: list[Event] = [
        started(name, attempts),
        AdmissionStep(at=BEGAN.isoformat(), step="tests", state="passed", detail="416 tests pass, the oracle agrees"),
        Admitted(at=BEGAN.isoformat(), noise=NOISE, expected_tests=416),
    ]
    verdicts: list[Verdict] = []
    for number in range(1, attempts + 1):
        attempt = f"{number:03d}"
        judged = a_verdict(name, attempt, rng)
        if search:
            brief = a_search(attempt, verdicts, choices)
            events.append(brief)
            parent = next((each for each in verdicts if each.attempt == brief.start_from), None)
            judged = descended(judged, parent, choices) if parent else judged
        verdicts.append(judged)
        events += [
            AttemptStarted(at=BEGAN.isoformat(), attempt=attempt),
            AttemptFinished(at=judged.finished_at, attempt=attempt, verdict=judged),
        ]
        place = folder.attempt(attempt).create()
        place.prompt.write_text("# Task\n\nMake it faster.\n")
        place.trajectory.write_text(trajectory(rng.randint(3, 12)))
        if judged.patch:
            place.patch.write_text(DIFF)
        if judged.speedup and samples > 0:
            samples -= 1
            measured = a_measurement(judged, rng)
            kept = {"selection": measured.model_dump(), "confirmation": measured.model_dump()}
            place.samples.write_text(strict_json(kept) + "\n")
    events.append(RunFinished(at=BEGAN.isoformat(), run=name, attempts=verdicts))
    folder.journal.write_text("".join(encode_event(event) + "\n" for event in events))
    return folder
