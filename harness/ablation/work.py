"""The work of an ablation, step by step: base, whole patch, every part left out, the search, the smallest patch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.ablation.findings import find, outcomes_of
from harness.ablation.loss import is_kept, loss_protocol
from harness.ablation.notebook import Notebook
from harness.ablation.parts import DividedPatch
from harness.ablation.records import Purpose, Smallest, Trial, Whole
from harness.ablation.search import LimitReached, Search
from harness.ablation.trials import Laboratory
from harness.admission import admit, resolve_device
from harness.calibration.store import stored_floor
from harness.errors import AttemptEnded, InfrastructureError, UsageError
from harness.evaluate import Candidate, Judge, Judgement
from harness.events import AdmissionStep, Event
from harness.frame import admission_of
from harness.patch import Patch
from harness.readmission import readmit
from harness.store import AttemptFolder
from harness.task import LoadedTask
from harness.text import counted, interval_text
from harness.timing.job import Protocol
from harness.verdict import Interval
from harness.whole_file import write_atomic

SMALLEST = "minimal_patch.diff"
EVIDENCE = "evidence"
# Of the smallest patch, and of the one before it if that one does not come back.
CONFIRMATIONS = 2

Say = Callable[[str], None]


@dataclass
class Work:
    """One ablation under way.

    Attributes:
        loaded: the task.
        divided: the patch and its parts.
        book: the record.
        into: the folder that the record and the smallest patch are written to.
        space: a folder for checkouts, ours to delete.
        seed: the secret that inputs are derived from.
        protocol: how patches are timed.
        say: told what happens, a line each time.
    """

    loaded: LoadedTask
    divided: DividedPatch
    book: Notebook
    into: Path
    space: Path
    seed: int
    protocol: Protocol
    say: Say

    def run(self) -> None:
        """All of it.

        Raises:
            UsageError: the whole patch has no gain to take apart.
            HarnessError: the base is not admitted, a folder cannot be written, or the infrastructure failed.
        """
        names = [part.name for part in self.divided.parts]
        limit = self.book.record.limit
        listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        self.say(
            f"{self.book.record.patch}: {len(names)} parts ({listed}); each is left out once, {limit} variants are "
            "tried at most, then the smallest patch is confirmed"
        )
        if self.book.record.trials:
            self.say(f"going on: {counted(len(self.book.record.trials), 'variant was', 'variants were')} tried before")
        whole = self._judged_whole()
        self._announce(whole, len(names))
        alone = {name: self._attempt(frozenset([name]), "leave_one_out") for name in names}
        search = Search(names, lambda left_out: self._attempt(left_out, "drop"), self._keeps)
        try:
            search.run(outcomes_of(alone, self.judge.min_effect))
        except LimitReached:
            self.book.note(limit_reached=True)
            self.say(f"--limit {limit} is reached: what was found by then is confirmed")
        smallest = self._confirmed(search.accepted)
        why = "it makes one once others are left out"
        if set(smallest.left_out) != search.dropped:
            why = "a smaller patch was not confirmed"
        elif self.book.record.limit_reached:
            why = "the limit ended the search"
        findings = find(self.divided.parts, alone, whole.speedup, self.judge.min_effect, smallest.left_out, why)
        self.book.note(findings=findings, smallest=smallest)

    @cached_property
    def judge(self) -> Judge:
        """The judge, with the base admitted; built again where an earlier call admitted it."""
        kept = self.book.record.admission
        root, scratch = self.space / "base", self.space / "scratch"
        if kept is None:
            base = admit(self.loaded, self.divided.repository, root, scratch, self.seed, self._on_event)
        else:
            base = readmit(self.loaded, self.divided.repository, root, scratch, kept, self._on_event)
        metric = self.loaded.task.metric
        floor = stored_floor(resolve_device(metric.device), self.loaded.task.name, metric.mode)
        judge = Judge(self.loaded, base, self.seed, scratch, protocol=self.protocol, floor=floor)
        self.book.note(admission=admission_of(base), min_effect=judge.min_effect)
        return judge

    def _judged_whole(self) -> Whole:
        """The whole patch over the base, as `harness verify` judges it."""
        known = self.book.record.whole
        if known is not None:
            return known
        judgement, folder = self._judged("whole", self.divided.whole, "whole patch")
        if judgement.status == "infra_failed":
            raise InfrastructureError(f"The whole patch could not be judged: {judgement.message}")
        if judgement.status != "faster" or judgement.speedup is None:
            raise UsageError(
                f"{self.book.record.patch} is {judgement.status.replace('_', ' ')} here: {judgement.message}",
                remedy="Only a patch that is faster has a gain to take apart.",
            )
        selection = json.loads(folder.samples.read_text(encoding="utf-8"))["selection"]
        began = time.monotonic()
        self.tree  # noqa: B018 - made now, so that it is known how long a tree takes
        whole = Whole(
            speedup=judgement.speedup,
            workloads=judgement.workloads or [],
            seconds_to_prepare=round(time.monotonic() - began, 2),
            seconds_a_session=round(selection["seconds"] / selection["sessions"], 3),
        )
        self.book.note(whole=whole)
        self.say(f"whole patch: faster, {interval_text(whole.speedup)}")
        return whole

    @cached_property
    def tree(self) -> Candidate:
        """The whole patch's tree, built and correct."""
        folder = AttemptFolder(self.into / EVIDENCE / "whole").create()
        write_atomic(folder.patch, self.divided.whole.text)
        try:
            return self.judge.prepare(folder.patch, folder, self.space / "whole", Judgement(), lambda _phase: None)
        except AttemptEnded as end:
            raise InfrastructureError(f"The whole patch was fine and is not any more: {end.message}") from end

    @cached_property
    def laboratory(self) -> Laboratory:
        """Where variants are tried."""
        whole = self.book.record.whole
        count = len(whole.workloads) if whole is not None else 1
        return Laboratory(self.judge, self.divided, self.tree, count, self.into / EVIDENCE, self.space)

    def _announce(self, whole: Whole, count: int) -> None:
        protocol = loss_protocol(self.protocol, count, len(whole.workloads), self.judge.min_effect)
        done = len(self.book.record.trials)
        # The search needs fewer than twice as many as there are parts, as a rule far fewer.
        counts = max(count - done, 0) + 2, max(min(self.book.record.limit, 3 * count) - done, 0) + 3
        times = [
            trials * (whole.seconds_to_prepare + sessions * whole.seconds_a_session) / 60
            for trials, sessions in zip(counts, (protocol.looks[0], protocol.looks[-1]), strict=True)
        ]
        span = [max(1, round(each)) for each in times]
        minutes = f"about {span[0]}" if span[0] == span[1] else f"between {span[0]} and {span[1]}"
        self.say(f"this takes {minutes} min; stop it any time, the same command goes on")

    def _attempt(self, left_out: frozenset[str], purpose: Purpose) -> Trial:
        """A trial, or what is known of it.

        Raises:
            LimitReached: it would be one too many.
        """
        trials = self.book.record.trials
        final = purpose == "confirm"
        for trial in trials:
            if frozenset(trial.left_out) == left_out and (trial.purpose == "confirm") == final:
                return trial
        searched = sum(trial.purpose != "confirm" for trial in trials)
        if purpose == "drop" and searched >= self.book.record.limit:
            raise LimitReached
        number = max((trial.number for trial in trials), default=0) + 1
        comparisons = CONFIRMATIONS if final else len(self.divided.parts)
        trial = self.laboratory.attempt(left_out, purpose, number, comparisons)
        self.book.note(trials=[*trials, trial])
        self.say(f"{number}: {_doing(purpose)} {', '.join(trial.left_out)}: {_came_to(trial)} ({trial.seconds:.0f} s)")
        return trial

    def _keeps(self, trial: Trial) -> bool:
        return trial.loss is not None and is_kept(trial.loss, self.judge.min_effect)

    def _confirmed(self, accepted: list[frozenset[str]]) -> Smallest:
        """The smallest patch that comes back in fresh processes; the whole one if none does."""
        for left_out in list(reversed(accepted))[:CONFIRMATIONS]:
            trial = self._attempt(left_out, "confirm")
            names = ", ".join(sorted(left_out))
            if not self._keeps(trial) or trial.loss is None:
                self._remark(f"The patch without {names} was not confirmed: {_came_to(trial)}.")
                continue
            patch = self.divided.without(left_out)
            judgement, _ = self._judged("minimal", patch, f"patch without {names}")
            if judgement.status == "faster" and judgement.speedup is not None:
                return self._smallest(patch, left_out, trial.loss.ratio, judgement.speedup)
            self._remark(f"The patch without {names} came out {judgement.status}: {judgement.message}")
        whole = self._judged_whole()
        return self._smallest(self.divided.whole, frozenset(), None, whole.speedup)

    def _smallest(
        self, patch: Patch, left_out: frozenset[str], against: Interval | None, speedup: Interval
    ) -> Smallest:
        write_atomic(self.into / SMALLEST, patch.text)
        return Smallest(
            left_out=sorted(left_out),
            insertions=patch.insertions,
            deletions=patch.deletions,
            sha256=patch.sha256,
            path=SMALLEST,
            against_whole=against,
            speedup=speedup,
        )

    def _judged(self, name: str, patch: Patch, said: str) -> tuple[Judgement, AttemptFolder]:
        folder = AttemptFolder(self.into / EVIDENCE / name).create()
        write_atomic(folder.patch, patch.text)

        def on_phase(phase: str) -> None:
            self.say(f"{said}: {phase}")

        return self.judge.judge(folder.patch, folder, on_phase, lambda _phase, _progress: None), folder

    def _remark(self, sentence: str) -> None:
        self.say(sentence)
        self.book.note(notes=[*self.book.record.notes, sentence])

    def _on_event(self, event: Event) -> None:
        if isinstance(event, AdmissionStep) and event.progress is None:
            state = "..." if event.state == "started" else event.detail or "passed"
            self.say(f"base: {event.step.replace('_', ' ')}: {state}")


def _doing(purpose: Purpose) -> str:
    return "confirming without" if purpose == "confirm" else "without"


def _came_to(trial: Trial) -> str:
    if trial.loss is None:
        return f"{trial.status.replace('_', ' ')}: {trial.message}"
    return f"{interval_text(trial.loss.ratio)} as fast as the whole patch"
