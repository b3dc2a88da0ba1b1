"""One base for the whole corpus: built and tested once, and timed against nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from corpus import JudgeOf, make_task

from harness.admission import Base
from harness.build import build
from harness.correctness import run_tests
from harness.evaluate import Judge, Judgement
from harness.source import seal
from harness.store import AttemptFolder
from harness.task_file import load_task
from harness.timing.job import Protocol
from harness.timing.machine import describe_device
from harness.verdict import Interval, NoiseFloor

# Enough for every cross-check to have its say, and no more: the numbers do not matter here.
QUICK = Protocol(looks=[3], alpha=0.05, pairs=5, workload_ms=15.0, sessions_per_server=3, patience_seconds=10.0)
# So that no luck of three sessions passes for a win.
NOISE = NoiseFloor(speedup=Interval(estimate=1.0, low=0.85, high=1.15), sessions=8)


@pytest.fixture(scope="session")
def judges(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Judge]:
    """A judge who runs the tests (True) and one who has the oracle alone (False)."""
    made = {}
    for tests in (True, False):
        folder = tmp_path_factory.mktemp("corpus")
        loaded = load_task(str(make_task(folder / "task", tests=tests)))
        root = folder / "base"
        repository = seal(loaded, folder / "judge.git")
        repository.check_out(root)
        build(loaded.task.build, root, folder / "build", folder / "build.log")
        passed = run_tests(loaded, root, folder / "tests", None, hidden=True).passed
        assert bool(passed) == tests
        base = Base(
            repository=repository,
            root=root,
            device="cpu",
            expected=passed,
            noise=NOISE,
            machine=describe_device("cpu"),
            shown=[],
        )
        made[tests] = Judge(loaded=loaded, base=base, seed=7, workspace=folder / "judging", protocol=QUICK)
    return made


@pytest.fixture
def judged(judges: dict[bool, Judge], tmp_path: Path) -> JudgeOf:
    """Judge a patch as any patch is judged."""

    def judge_it(patch: bytes, tests: bool, sessions: int = QUICK.looks[-1]) -> Judgement:
        folder = AttemptFolder(tmp_path / "run" / "001").create()
        folder.patch.write_bytes(patch)
        judge = replace(judges[tests], protocol=QUICK.model_copy(update={"looks": [sessions]}))
        return judge.judge(folder.patch, folder, lambda _: None, lambda _phase, _progress: None)

    return judge_it
