"""Is this task sound? Everything that a verdict on it would rest on, tried once: `harness check`.

A task is admitted when its base builds, passes, can be timed and shows an injected slowdown; when its tests can
fail; when a patch that changes nothing comes out `same` and the reference patch, if there is one, `faster`; and
when planted cheats get nothing.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.admission import Base, admit, job_for
from harness.build import build
from harness.cheats import Cheat, planted_cheats
from harness.errors import AdmissionError, BuildFailed, TaskError
from harness.evaluate import Judge, Judgement
from harness.exported import called_names, exported_names
from harness.exposed import exposed, exposed_text
from harness.findings import CheckFinding, CheckReport, Recorder, Watch
from harness.interruption import terminable
from harness.known_effect import EXPECTED, PROTOCOL, TOLERANCE
from harness.mutants import sample_mutants
from harness.mutation_score import MutationScore, score_mutants
from harness.patch import apply, matches, take_diff
from harness.placebo import editable, placebo
from harness.sandbox import Wanted, keep_out, use_sandbox
from harness.slowdown import slowed
from harness.source import movable, seal
from harness.store import AttemptFolder
from harness.targets import require_targets, without_files
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.timing.client import measure
from harness.timing.job import Protocol
from harness.timing.measurement import Measurement
from harness.workspace import require_writable, workspace
from harness.worktree import remove_folder

MUTANTS = 12
MUTANT_SECONDS = 75.0
LEAST_SCORE = 0.6
# One look: what is judged here is either nothing or far from it.
JUDGING = Protocol(looks=[8], alpha=0.05)

Outcome = tuple[bool | None, str]


def check_task(name: str, worktrees: Path, seed: int | None, watch: Watch, *, sandbox: Wanted = "auto") -> CheckReport:
    """Try everything; what fails is a finding, and without an admitted base the rest is left out.

    Raises:
        StorageError, InfrastructureError: it could not be tried.
    """
    start = time.monotonic()
    require_writable(worktrees)
    keep_out((worktrees,))
    use_sandbox(sandbox)
    findings: list[CheckFinding] = []
    mutants: MutationScore | None = None
    record = Recorder(watch, findings)
    with terminable(), workspace(worktrees / f"check-{secrets.token_hex(4)}") as space:
        try:
            with record.step("loads"):
                loaded = load_task(name)
                sealed = seal(loaded, space / "judge.git")
                require_targets(loaded, sealed)
                record.say(_loads(without_files(loaded, sealed), movable(loaded)))
            if seen := exposed(loaded, sealed):
                with record.step("kept from agents"):
                    record.say(exposed_text(seen), passed=False)
            if loaded.task.draft:
                with record.step("draft"):
                    record.say(_to_confirm(loaded.task.draft), passed=False)
            base = admit(loaded, sealed, space / "base", space / "scratch", _seed(seed), record.admission)
            checks = _Checks(loaded, base, space, _seed(seed), watch)
            for title, run in checks.all():
                with record.step(title):
                    passed, message = run()
                    record.say(message, passed)
            mutants = checks.mutants
        except (TaskError, AdmissionError) as error:
            record.failed(str(error))
    return CheckReport(
        task=name,
        admitted=all(finding.passed is not False for finding in findings),
        findings=findings,
        mutants=mutants,
        seconds=round(time.monotonic() - start, 1),
    )


@dataclass
class _Checks:
    """The checks that need an admitted base."""

    loaded: LoadedTask
    base: Base
    space: Path
    seed: int
    watch: Watch
    mutants: MutationScore | None = None
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.base.repository.files():
            try:
                path.encode("utf-8")  # a name that is no text could not be told of
                self.files[path] = (self.base.root / path).read_text(encoding="utf-8")
            except (OSError, UnicodeError):
                continue

    def all(self) -> Iterator[tuple[str, Callable[[], Outcome]]]:
        """Titles and checks, from quick to slow."""
        for cheat in planted_cheats(self.files, self.loaded.task.target_files):
            yield f"cheat: {cheat.name}", partial(self._cheat, cheat)
        yield "slowed source", self._slowed_source
        yield "no-op patch", self._no_op
        yield "reference patch", self._reference
        yield "tests can fail", self._mutants

    def _cheat(self, cheat: Cheat) -> Outcome:
        judgement = self._judge(f"cheat-{cheat.name.split(maxsplit=1)[0]}", self._patch_of(cheat.files))
        return judgement.status in ("rejected", "incorrect"), _summary(judgement)

    def _no_op(self) -> Outcome:
        names = editable(sorted(self.files), self.loaded.task.target_files)
        if not names:
            return None, "no target file is of a language that can be edited without changing what it does"
        edited = placebo(names[0], self.files[names[0]], random.Random(self.seed))
        judgement = self._judge("no-op", self._patch_of({names[0]: edited}))
        return judgement.status == "same", _summary(judgement)

    def _reference(self) -> Outcome:
        reference = self.loaded.reference_patch
        if reference is None:
            return None, "the task has none"
        judgement = self._judge("reference", reference)
        return judgement.status == "faster", _summary(judgement)

    def _slowed_source(self) -> Outcome:
        """Through apply, build and import, as a patch; timed alone, for tests may look at what was wrapped."""
        exported = self._exported()
        made = {name: slowed(text, exported) for name, text in self.files.items() if name.endswith(".py")}
        targets = self.loaded.task.target_files
        edits = {name: text for name, text in made.items() if text is not None and matches(name, targets)}
        if not edits:
            return None, f"no exported Python function of {self.loaded.task.api} stands in a target file"
        checkout = self.space / "slowed"
        self.base.repository.check_out(checkout)
        apply(self.base.repository, self._patch_of(edits), checkout)
        scratch = self.space / "scratch-slowed"
        try:
            build(self.loaded.task.build, checkout, scratch / "build", self.space / "slowed.log")
        except BuildFailed as error:
            return False, error.message
        job = job_for(
            self.loaded,
            self.base.root,
            checkout,
            scratch,
            device=self.base.device,
            seed=self.seed,
            held_out=False,
            protocol=PROTOCOL,
        )
        measured = measure(job, lambda _: None)
        if not isinstance(measured, Measurement):
            return None, "its functions cannot be called twice with one set of arguments"
        found = measured.speedup
        # Not all of a call need be in the wrapped functions, so it may be less slow; but slower, and not by more.
        seen = found.high < 1 and found.high > EXPECTED * (1 - TOLERANCE)
        return seen, f"done twice in the source: {found.estimate:.2f}x [{found.low:.2f}, {found.high:.2f}]"

    def _mutants(self) -> Outcome:
        targets = self.loaded.task.target_files
        files = {name: text for name, text in self.files.items() if matches(name, targets)}
        exported = self._exported()
        sample = sample_mutants(files, exported, MUTANTS, self.seed)
        self.mutants = score_mutants(
            self.loaded,
            self.base,
            sample,
            self.space / "mutants",
            seconds=MUTANT_SECONDS,
            seed=self.seed,
            say=self.watch.note,
        )
        score = self.mutants.score
        if score is None:
            return None, "no mutant could be made of the target files"
        message = f"{self.mutants.caught} of {self.mutants.tried} mutants caught ({score:.0%})"
        if score < LEAST_SCORE:
            return False, f"{message}; below {LEAST_SCORE:.0%} a wrong patch would pass for a right one"
        return True, message

    def _exported(self) -> set[str]:
        """The public functions that the bench calls, or all of the package's where that cannot be told.

        Nothing where a command is timed and no package is named.
        """
        api = self.loaded.task.api
        names = set() if api is None else exported_names(self.base.root, api)
        bench = self.loaded.bench_file
        return (names & called_names(bench) or names) if bench is not None else names

    def _patch_of(self, files: dict[str, str]) -> Path:
        """A patch that writes these files, taken as an agent's is."""
        number = secrets.token_hex(4)
        tree = self.space / f"tree-{number}"
        self.base.repository.check_out(tree)
        for name, text in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(text.encode("utf-8"))
        patch = self.space / f"{number}.diff"
        patch.write_bytes(take_diff(self.base.repository, tree).text)
        remove_folder(tree)
        return patch

    def _judge(self, name: str, patch: Path) -> Judgement:
        folder = AttemptFolder(self.space / "judged" / name).create()
        judge = Judge(self.loaded, self.base, self.seed, self.space / "scratch", JUDGING)
        return judge.judge(patch, folder, lambda _phase: None, lambda _phase, _progress: None)


def _summary(judgement: Judgement) -> str:
    cause = f" ({judgement.cause})" if judgement.cause else ""
    return f"{judgement.status}{cause}: {judgement.message}"


def _loads(new: list[str], moves: str | None) -> str:
    """What the first check found, with what may be a slip in it."""
    added = f"; not in the base, so that a patch may only add it: {', '.join(new)}" if new else ""
    return f"the task file and what it names are there{added}" + (f"\n{moves}" if moves else "")


def _to_confirm(draft: list[str]) -> str:
    """What `harness init` guessed: a person has to have looked at it."""
    lines = "".join(f"\n- {each}" for each in draft)
    return f"still to be confirmed, or mended; then delete its line under `draft` in the task file:{lines}"


def _seed(seed: int | None) -> int:
    return secrets.randbits(53) if seed is None else seed
