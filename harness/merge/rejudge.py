"""`harness verify --bundle`: what was found elsewhere, looked for here, and the two answers held against each other.

A bundle's patch is judged by the whole judge of this machine, on fresh inputs. Then the two sets of session values are
compared as `harness compare` compares two attempts; that the devices differ is the point here. What is tested is
whether the factor is the same; that the claim itself came back is for the two verdicts to say.

The bench that comes in a bundle runs unconfined, as any bench does: it is the trusted side. So nothing of a bundle is
run unless whoever runs it says that it is trusted, or brings a task of their own to judge its patch by.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from harness.compare import AttemptComparison, Measured, compare_measured, published_samples
from harness.errors import TaskError, UsageError
from harness.events import Emit
from harness.merge.unpack import Unpacked, unpack
from harness.report.material import MOST_SAMPLES_BYTES
from harness.run import RunOptions, RunOutcome, verify_task
from harness.selection import ALPHA, overall_values
from harness.source import seal
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.temporary import temporary_folder
from harness.text import interval_text, shortened
from harness.timing.measurement import Sample
from harness.timing.statistics import hodges_lehmann
from harness.verdict import Verdict

Agreement = Literal["reproduced", "other_factor", "not_reproduced", "not_judged"]
_EXACT = 1e-6


@dataclass(frozen=True)
class Rejudged:
    """What judging a bundle again came to.

    Attributes:
        outcome: the run that it made here.
        recorded: the verdict in the bundle.
        agreement: `reproduced` (the same verdict, and no difference between the factors), `other_factor` (the same
            verdict, another factor), `not_reproduced`, `not_judged` (a failure of this machine's or the harness's).
        sentence: the same for people.
        notes: what a reader should know besides, a sentence each.
        comparison: the test; `first` is the recorded verdict, `second` the one of here.
        facts: what the bundle is, by name.
    """

    outcome: RunOutcome
    recorded: Verdict
    agreement: Agreement
    sentence: str
    notes: list[str]
    comparison: AttemptComparison
    facts: dict[str, str]

    @property
    def here(self) -> Verdict:
        """The verdict of this machine."""
        return self.outcome.verdicts[0]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        compared = self.comparison
        return {
            "agreement": self.agreement,
            "sentence": self.sentence,
            "notes": self.notes,
            "bundle": self.facts,
            "ratio": compared.ratio.model_dump() if compared.ratio else None,
            "workloads": [each.model_dump() for each in compared.workloads],
            "recorded": self.recorded.model_dump(),
            "here": self.here.model_dump(),
        }


def rejudge(file: Path, options: RunOptions, emit: Emit, *, trusted: bool) -> Rejudged:
    """Judge a bundle's patch again and compare.

    Args:
        file: the bundle.
        options: where the run goes; its `task` is a task file to use in place of the bundle's, or empty.
        emit: where events go.
        trusted: whether the bundle's bench may run.

    Raises:
        UsageError: the bundle is not whole, is not trusted, or is not of the task that was named.
        HarnessError: as a run.
    """
    with temporary_folder("bundle") as folder:
        bundle = unpack(file, Path(folder) / "bundle")
        samples = _samples(bundle)
        notes = _notes(bundle, samples)
        if options.task:
            loaded = _own_task(options.task, bundle, notes)
        else:
            loaded = _bundled_task(file, bundle, Path(folder) / "base.git", trusted=trusted)
        outcome = verify_task(replace(options, task=str(loaded.file)), bundle.patch, emit, task=loaded)
        here = outcome.verdicts[0]
        attempt = outcome.run_folder.attempt(str(here.attempt))
        comparison = compare_measured(
            Measured(bundle.verdict, samples),
            Measured(here, published_samples(attempt.samples)),
            across_devices=True,
        )
        agreement, sentence = _agreement(comparison)
        return Rejudged(outcome, bundle.verdict, agreement, sentence, notes, comparison, _facts(bundle))


def _bundled_task(file: Path, bundle: Unpacked, into: Path, *, trusted: bool) -> LoadedTask:
    """The bundle's task, if it may run: every path in it leads into the bundle, and its base is the one it says."""
    if not trusted:
        whose = shortened(f"{bundle.manifest.run}/{bundle.manifest.attempt}, task {bundle.manifest.task}", 200)
        raise UsageError(
            f"{file} is whole: the evidence of {whose}; sha256 {bundle.sha256}.\nNothing of it was run. Its bench "
            "(of a command task, its check) would run as you, unconfined, and its hashes say that nothing was lost, "
            "not who made it.",
            remedy=f"Read what is in it (`mkdir look && tar -xzf {file} -C look`), then add --trust. Or add "
            "--task FILE, a task file of your own: then nothing of the bundle runs but its patch, as any patch runs.",
        )
    try:
        loaded = load_task(str(bundle.task_file))
    except TaskError as error:
        raise UsageError(f"{file}: its task file is wrong: {error}") from error
    task = loaded.task
    source = task.source
    optional = (task.reference_patch, task.references, task.recorded)
    for named in (task.bench, task.tests.hidden, source.path, source.overlay, *optional):
        if named is not None and not loaded.resolve(named).is_relative_to(bundle.folder):
            raise UsageError(f"{file}: its task file names {shortened(named, 100)}, which is not in the bundle.")
    if source.git is not None and "://" not in source.git:
        raise UsageError(f"{file}: its base is in {shortened(source.git, 100)}, which only its sender has.")
    tree = seal(loaded, into).tree
    if tree != bundle.manifest.base_tree:
        raise UsageError(
            f"{file}: its base has the tree {tree[:12]}; what was measured had {bundle.manifest.base_tree[:12]}.",
            remedy="It was not made by `harness export` from one run: have it made again.",
        )
    return loaded


def _own_task(name: str, bundle: Unpacked, notes: list[str]) -> LoadedTask:
    loaded = load_task(name)
    if loaded.task.name != bundle.manifest.task:
        raise UsageError(
            f"{loaded.file} is the task {loaded.task.name}; the bundle is of {shortened(bundle.manifest.task, 100)}."
        )
    notes.append("Judged with your own task file, bench and tests; of the bundle, only the patch was run.")
    return loaded


def _samples(bundle: Unpacked) -> list[Sample]:
    """The bundle's samples; none where they cannot be times."""
    if not bundle.samples.is_file() or bundle.samples.stat().st_size > MOST_SAMPLES_BYTES:
        return []
    found = published_samples(bundle.samples)
    times = [time for each in found for time in (each.base_us, each.candidate_us)]
    return found if all(math.isfinite(time) and time > 0 for time in times) else []


def _notes(bundle: Unpacked, samples: Sequence[Sample]) -> list[str]:
    notes = []
    manifest, verdict = bundle.manifest, bundle.verdict
    if verdict.speedup is not None and not _follows(verdict, samples):
        notes.append("What the bundle claims does not follow from its own samples: somebody changed one of them.")
    if hashlib.sha256(bundle.patch.read_bytes()).hexdigest() != manifest.patch_sha256 or (
        verdict.patch is not None and verdict.patch.sha256 != manifest.patch_sha256
    ):
        notes.append("The bundle's patch is not the one that its verdict is about.")
    if manifest.hidden_tests == "left_out":
        notes.append("The bundle was made without the hidden tests: they were not run here.")
    return notes


def _follows(verdict: Verdict, samples: Sequence[Sample]) -> bool:
    """Whether a verdict's estimate is what its samples give."""
    try:
        found = hodges_lehmann(overall_values(samples), ALPHA).as_ratio().estimate
    except (ValueError, IndexError, OverflowError):
        return False
    claimed = verdict.speedup.estimate if verdict.speedup else 0.0
    return claimed > 0 and abs(math.log(found / claimed)) < _EXACT


def _agreement(compared: AttemptComparison) -> tuple[Agreement, str]:
    there, here = compared.first, compared.second
    both = f"there {_said(there)}, here {_said(here)}"
    if here.status == "infra_failed":
        return "not_judged", f"Not judged here: {here.message}"
    if here.status != there.status:
        return "not_reproduced", f"NOT reproduced: {both}. {here.message}"
    if compared.ratio is None or compared.floor is None:
        tested = "" if here.timing is None else f" The factors were not tested: {compared.sentence}"
        return "reproduced", f"Reproduced, as far as the verdict goes: {both}.{tested}"
    ratio = f"here over there {interval_text(compared.ratio)}"
    if compared.conclusion == "alike":
        return "reproduced", f"Reproduced: {both}; {ratio}, no difference beyond {compared.floor:.1%} is shown."
    more = "more" if compared.conclusion == "second_faster" else "less"
    return "other_factor", f"Reproduced with another factor: {both}; the gain is {more} on this machine, {ratio}."


def _said(verdict: Verdict) -> str:
    speedup = f" {interval_text(verdict.speedup)}" if verdict.speedup else ""
    return f"{verdict.status.replace('_', ' ')}{speedup}"


def _facts(bundle: Unpacked) -> dict[str, str]:
    manifest = bundle.manifest
    return {
        "sha256": bundle.sha256,
        "run": manifest.run,
        "attempt": manifest.attempt,
        "base": manifest.source,
        "base_tree": manifest.base_tree,
        "hidden_tests": manifest.hidden_tests,
        "harness_version": manifest.harness_version,
    }
