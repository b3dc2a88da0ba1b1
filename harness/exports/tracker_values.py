"""What is logged of a run and of an attempt: metrics, parameters and tags, in the words that MLflow allows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from harness.text import printable
from harness.verdict import Verdict

_NOT_IN_A_NAME = re.compile(r"[^\w.\- ]")
_MOST_CHARACTERS = 500


def attempt_metrics(verdict: Verdict) -> dict[str, float]:
    """Speedups (ratios of times, with their 95 % intervals) overall and by workload, times in microseconds, costs."""
    found: dict[str, float] = {}
    speedup = verdict.published
    if speedup is not None:
        found |= {"speedup": speedup.estimate, "speedup_low": speedup.low, "speedup_high": speedup.high}
    for item in verdict.workloads:
        name = _NOT_IN_A_NAME.sub("_", item.name)[:200]
        found |= {
            f"speedup/{name}": item.speedup.estimate,
            f"speedup_low/{name}": item.speedup.low,
            f"speedup_high/{name}": item.speedup.high,
            f"base_us/{name}": item.base_us,
            f"candidate_us/{name}": item.candidate_us,
        }
    cost = verdict.cost
    found |= {
        "agent_steps": float(cost.steps),
        "agent_seconds": cost.seconds,
        "tokens_input": float(cost.tokens.input),
        "tokens_output": float(cost.tokens.output),
    }
    if cost.usd is not None:
        found["usd"] = cost.usd
    return {name: value for name, value in found.items() if math.isfinite(value)}


def attempt_params(verdict: Verdict) -> dict[str, str]:
    """What it was made with."""
    values = {
        "task": verdict.task,
        "agent": verdict.agent,
        "agent_version": verdict.agent_version,
        "model": verdict.model,
        "device": verdict.device.name if verdict.device else None,
        "base_commit": verdict.base_commit,
        "sandbox": verdict.sandbox,
        "harness_version": verdict.harness_version,
        "run": verdict.run,
        "attempt": verdict.attempt,
    }
    return _texts(values)


def attempt_tags(verdict: Verdict) -> dict[str, str]:
    """What it came to, and of how many attempts it is the best, which its interval allows for."""
    timing = verdict.timing
    values = {
        "status": verdict.status,
        "cause": verdict.cause or "",
        "patch_sha256": verdict.patch.sha256 if verdict.patch else "",
        "best_of": str(timing.chosen_from) if timing is not None and timing.adjusted is not None else "",
        "mlflow.note.content": verdict.message,
    }
    return _texts(values)


def run_params(verdict: Verdict) -> dict[str, str]:
    """What all attempts of a run share, read off one of them."""
    shared = ("task", "base_commit", "run")
    return {name: value for name, value in attempt_params(verdict).items() if name in shared}


def run_metrics(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """How many attempts there are and how many of each status."""
    counts = {"attempts": float(len(verdicts)), "faster": 0.0}
    for verdict in verdicts:
        name = verdict.status
        counts[name] = counts.get(name, 0.0) + 1
    return counts


def _texts(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: printable(value)[:_MOST_CHARACTERS] for name, value in values.items() if value is not None}
