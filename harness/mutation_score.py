"""Running mutants: each is a checkout of its own, held against the oracle first and against the tests second."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from harness.admission import RANDOM_CASES, Base, job_for
from harness.build import build
from harness.correctness import require_all, run_tests
from harness.errors import BuildFailed, Incorrect
from harness.mutants import Mutant
from harness.task import LoadedTask
from harness.timing.client import check_outputs
from harness.timing.job import Protocol
from harness.verdict import Record
from harness.worktree import remove_folder

# A fault may make a loop endless; what takes so much longer than the base is caught.
TEST_SECONDS = 90.0
PROTOCOL = Protocol(patience_seconds=20)


class Survivor(Record):
    """A fault that neither oracle nor tests noticed: a gap in them, or a change that makes no difference."""

    file: str
    line: int
    kind: str
    diff: str


class MutationScore(Record):
    """What a sample of mutants came to.

    Attributes:
        caught_by_oracle: mutants whose outputs the bench's oracle refused, or that crashed or hung there.
        caught_by_tests: mutants that the oracle let pass and the tests did not.
        survivors: the others.
        not_built: mutants that do not compile; they count nowhere.
        not_tried: mutants left when the time was up; they count nowhere.
        seconds: wall time of it all.
    """

    caught_by_oracle: int
    caught_by_tests: int
    survivors: list[Survivor]
    not_built: int
    not_tried: int
    seconds: float

    @property
    def caught(self) -> int:
        """Mutants that something noticed."""
        return self.caught_by_oracle + self.caught_by_tests

    @property
    def tried(self) -> int:
        """Mutants that count."""
        return self.caught + len(self.survivors)

    @property
    def score(self) -> float | None:
        """The share that was caught, 0 to 1; None where none was tried."""
        return self.caught / self.tried if self.tried else None


def score_mutants(
    loaded: LoadedTask,
    base: Base,
    mutants: list[Mutant],
    workspace: Path,
    *,
    seconds: float,
    seed: int,
    say: Callable[[str], None],
) -> MutationScore:
    """Try mutants one after the other until the time is up.

    Args:
        loaded: the task.
        base: the admitted base.
        mutants: what to try, in order.
        workspace: a folder of ours for checkouts.
        seconds: no further mutant is begun after this time.
        seed: of the inputs that the oracle sees.
        say: told one line about each.
    """
    start = time.monotonic()
    found: dict[str, int] = {"oracle": 0, "tests": 0, "build": 0}
    survivors: list[Survivor] = []
    tried = 0
    for mutant in mutants:
        if time.monotonic() - start > seconds:
            break
        caught_by = _caught_by(loaded, base, mutant, workspace / f"mutant-{tried}", seed)
        tried += 1
        if caught_by is None:
            survivors.append(Survivor(file=mutant.file, line=mutant.line, kind=mutant.kind, diff=mutant.diff))
        else:
            found[caught_by] += 1
        word = {None: "survived", "build": "does not compile"}.get(caught_by, f"caught by the {caught_by}")
        say(f"mutant {tried}/{len(mutants)}: {mutant.file}:{mutant.line} ({mutant.kind}) {word}")
    return MutationScore(
        caught_by_oracle=found["oracle"],
        caught_by_tests=found["tests"],
        survivors=survivors,
        not_built=found["build"],
        not_tried=len(mutants) - tried,
        seconds=round(time.monotonic() - start, 1),
    )


def _caught_by(loaded: LoadedTask, base: Base, mutant: Mutant, space: Path, seed: int) -> str | None:
    """`oracle`, `tests`, `build` where it does not compile, or None for a survivor."""
    checkout = space / "checkout"
    try:
        base.repository.check_out(checkout)
        (checkout / mutant.file).write_bytes(mutant.text.encode("utf-8"))
        try:
            build(loaded.task.build, checkout, space / "build", space / "build.log")
        except BuildFailed:
            return "build"
        # The oracle is quick and sees every workload; the tests see what no workload reaches.
        job = job_for(
            loaded,
            base.root,
            checkout,
            space / "oracle",
            device=base.device,
            seed=seed,
            held_out=True,
            protocol=PROTOCOL,
        )
        if check_outputs(job, random_cases=RANDOM_CASES) is not None:
            return "oracle"
        report = run_tests(
            loaded, checkout, space / "tests", None, hidden=True, seconds=TEST_SECONDS, stop_at_first=True
        )
        try:
            require_all(base.expected, report)
        except Incorrect:
            return "tests"
        return None
    finally:
        remove_folder(space)
