"""What a reader has to know before believing, or merging: sentences made from a verdict and its measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.brief_view import began_text
from harness.intervals import geometric_mean
from harness.noise import LOUD_NOISE, noise_of
from harness.report.material import AttemptMaterial, RunMaterial
from harness.selection import overall_values
from harness.show import best_of_text, cost_text
from harness.text import counted, interval_text, speedup_text
from harness.timing.job import Protocol
from harness.timing.measurement import Measurement
from harness.timing.printed import coarseness_of
from harness.timing.statistics import hodges_lehmann
from harness.verdict import Finding, Interval, Verdict, WorkloadResult
from harness.verdict_folder import kept_note

Tone = Literal["good", "plain", "look", "bad"]
MARKS: dict[Tone, str] = {"good": "✓", "plain": "·", "look": "!", "bad": "✗"}
STATUS_WORDS = {
    "faster": "faster",
    "same": "no difference",
    "slower": "slower",
    "incorrect": "incorrect",
    "build_failed": "build failed",
    "rejected": "rejected",
    "no_patch": "no patch",
    "agent_failed": "agent failed",
    "infra_failed": "harness failed",
    "not_judged": "not judged",
    "running": "running",
}


@dataclass(frozen=True)
class Fact:
    """A sentence, and how a reader should take it."""

    tone: Tone
    text: str


def facts(attempt: AttemptMaterial) -> list[Fact]:
    """Of an attempt, what speaks for its patch and what against, the weightiest first."""
    verdict = attempt.verdict
    if verdict is None:
        return [Fact("look", f"There is no verdict yet: phase {attempt.state.doing or 'not started'}.")]
    found = [*_measured(verdict), *_workloads(verdict, attempt.measurement)]
    found += _against_reference(verdict, attempt.reference)
    found += _brief(attempt)
    found += [Fact("bad" if each.severity == "reject" else "look", _finding(each)) for each in verdict.findings]
    if verdict.timing:
        found += [Fact("look", flag) for flag in verdict.timing.flags]
    if attempt.measurement and attempt.measurement.repeated_inputs:
        names = ", ".join(attempt.measurement.repeated_inputs)
        found.append(Fact("look", f"Inputs came out equal for different seeds ({names}): a cache could win there."))
    if verdict.sandbox == "none":
        found.append(Fact("look", "Nothing confined the patch's code (--sandbox none)."))
    return found


def _brief(attempt: AttemptMaterial) -> list[Fact]:
    brief = attempt.brief
    if brief is None:
        return []
    began = began_text(brief)
    found = [Fact("plain", f"By {brief.strategy}: {began}.")] if began else []
    return found + [Fact("plain", f"A person's hint: {hint}") for hint in brief.hints]


def _finding(finding: Finding) -> str:
    return f"{finding.file}:{finding.line}: {finding.message}"


def _measured(verdict: Verdict) -> list[Fact]:
    if verdict.status == "incorrect":
        return [Fact("bad", "The patch changes what the code does; it was not timed.")]
    timing = verdict.timing
    if timing is None or verdict.speedup is None:
        return []
    found = []
    if timing.confirmation:
        first, second = interval_text(timing.selection), interval_text(timing.confirmation)
        found.append(Fact("good", f"Measured twice: {first} at first, {second} in fresh processes with new inputs."))
    if verdict.status in ("faster", "same", "slower"):
        found.append(Fact("good", "All tests pass, and every timed workload's outputs satisfy the oracle."))
    if timing.noise:
        floor, loud = interval_text(timing.noise.speedup), noise_of(timing.noise) >= LOUD_NOISE
        text = f"The base against itself: {floor}; nothing below {timing.min_effect:.1%} counts."
        noisy = " The machine was noisy: smaller gains and losses were not told from nothing."
        found.append(Fact("look" if loud else "plain", text + noisy * loud))
    if best := best_of_text(verdict):
        found.append(Fact("look", f"Picked as the {best}, an interval that allows for having been picked."))
    return found


def _workloads(verdict: Verdict, measurement: Measurement | None) -> list[Fact]:
    if not verdict.workloads:
        return []
    # One of many workloads leaves 1 out by chance, so here, too, only what the machine's noise leaves is claimed.
    least = verdict.timing.min_effect if verdict.timing else 0.0
    slower = [each for each in verdict.workloads if each.speedup.high < 1 - least]
    found = []
    if slower:
        names = ", ".join(f"{each.name} ({interval_text(each.speedup)})" for each in slower[:4])
        more = f" and {len(slower) - 4} more" if len(slower) > 4 else ""
        found.append(Fact("bad", f"{len(slower)} of {len(verdict.workloads)} workloads became slower: {names}{more}."))
    else:
        worst = min(verdict.workloads, key=lambda each: each.speedup.estimate)
        gain = f"the least gain is {interval_text(worst.speedup)} on {worst.name}"
        text = f"No workload is shown to lose {least:.1%} or more; {gain}."
        found.append(Fact("good" if verdict.status == "faster" else "plain", text))
    shown, held_out = (_mean(verdict.workloads, measurement, held_out=each) for each in (False, True))
    if shown and held_out:
        lost = verdict.status == "faster" and held_out.estimate < 1 + 0.5 * (shown.estimate - 1)
        tail = "the gain is much smaller where the agent could not look" if lost else "the gain carries over"
        text = f"Held-out workloads {_mean_text(held_out)}, shown ones {_mean_text(shown)}"
        matters = verdict.status == "faster"
        found.append(Fact("look" if lost else "good" if matters else "plain", f"{text}{f': {tail}' * matters}."))
    return found


def _mean(workloads: list[WorkloadResult], measurement: Measurement | None, *, held_out: bool) -> Interval | None:
    """The geometric mean of some workloads; without width where there are no samples to make its interval of."""
    chosen = [each for each in workloads if each.held_out is held_out]
    names = {each.name for each in chosen}
    samples = [each for each in measurement.samples if each.workload in names] if measurement else []
    if samples:
        try:
            return hodges_lehmann(overall_values(samples), Protocol().alpha).widened(coarseness_of(samples)).as_ratio()
        except (ValueError, ArithmeticError):
            pass  # the file came from elsewhere, and these are no times
    mean = geometric_mean([each.speedup.estimate for each in chosen])
    return None if mean is None else Interval(estimate=mean, low=mean, high=mean)


def _mean_text(mean: Interval) -> str:
    return interval_text(mean) if mean.low < mean.high else speedup_text(mean.estimate)


def _against_reference(verdict: Verdict, reference: Verdict | None) -> list[Fact]:
    if reference is None or reference.speedup is None or verdict.speedup is None or verdict is reference:
        return []
    ours, theirs = verdict.published or verdict.speedup, reference.speedup
    if verdict.agent == reference.agent:
        return []
    word = "above" if ours.low > theirs.high else "below" if ours.high < theirs.low else "cannot be told apart from"
    text = f"{interval_text(ours)} {word} the task's reference patch, {interval_text(theirs)}."
    return [Fact("plain" if ours.high >= theirs.low else "look", text)]


def environment(run: RunMaterial, attempt: AttemptMaterial | None) -> list[tuple[str, str]]:
    """Names and values of everything that a second person needs to see the same."""
    verdict = attempt.verdict if attempt else None
    started = run.state.started
    rows: list[tuple[str, str]] = []
    if started:
        who = f"{started.agent} ({started.model})" if started.model else started.agent
        rows += [("task", f"{started.task} ({started.task_file})"), ("agent", who), ("started", started.at)]
        rows += [("base commit", started.base_commit), ("base tree", started.base_tree)]
        rows.append(("harness", started.harness_version))
    elif run.task:
        rows.append(("task", ": ".join(filter(None, (run.task, kept_note(run.folder.path))))))
    device = next((each.device for each in ([verdict] if verdict else []) + run.verdicts if each and each.device), None)
    if device:
        rows += [("device", f"{device.name} ({device.kind})"), ("cores", str(device.cores))]
        if device.node:
            rows.append(("node", device.node))
        rows += [("memory", f"{device.memory_gb:g} GiB"), ("platform", device.platform)]
        rows += list(device.versions.items())
    if verdict:
        worker = f", timed processes: {verdict.timing.worker_sandbox}" if verdict.timing else ""
        rows.append(("sandbox", f"{verdict.sandbox}{worker}"))
    if run.noise:
        rows.append(
            ("base against itself", f"{interval_text(run.noise.speedup)} over {counted(run.noise.sessions, 'session')}")
        )
    if run.state.admitted:
        rows.append(("tests that must pass", str(run.state.admitted.expected_tests)))
    measured = attempt.measurement if attempt else None
    if measured:
        rows.append(
            (
                "measurement",
                f"{counted(measured.sessions, 'session')}, {counted(len(measured.samples), 'pair')} of samples",
            )
        )
        rows.append(("ended because", f"{measured.stopped}, at confidence {measured.look_level:.3%}"))
        if measured.gpu:
            rows += [("GPU", measured.gpu.name), ("driver", measured.gpu.driver)]
    return rows


def counts(run: RunMaterial) -> list[tuple[str, int]]:
    """How many attempts ended how, in the order of `STATUS_WORDS`; placebos and the reference left out."""
    seen = [attempt.status for attempt in run.attempts if not (attempt.verdict and attempt.verdict.is_control)]
    return [(status, seen.count(status)) for status in STATUS_WORDS if status in seen]


def total_cost(run: RunMaterial) -> str:
    """What the run's agents used up together."""
    used = [verdict.cost for verdict in run.judged]
    if not used:
        return "-"
    if len(used) == 1:
        return cost_text(used[0])
    known = [cost.usd for cost in used if cost.usd is not None]
    price = "price unknown" if len(known) < len(used) else f"${sum(known):.2f}"
    tokens = sum(cost.tokens.input + cost.tokens.output for cost in used)
    return f"{counted(sum(cost.steps for cost in used), 'step')}, {tokens:,} tokens, {price}"
