"""The native task: it builds with its own build, its tests hold, its bench is moe_align's, its patches are rebuilt."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.admission import Base, admit, job_for
from harness.artefacts import linked_artefacts, require_in_effect
from harness.build import build
from harness.correctness import run_tests
from harness.errors import AdmissionError
from harness.evaluate import Judge, Judgement
from harness.git import Repository
from harness.patch import apply, take_diff
from harness.placebo import placebo
from harness.source import seal
from harness.store import AttemptFolder
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.timing.client import check_outputs, measure
from harness.timing.job import ADVISORY
from harness.timing.measurement import Measurement
from harness.verdict import Device, Interval, NoiseFloor

pytestmark = pytest.mark.slow

TASKS = Path(__file__).resolve().parents[2] / "tasks"
SOURCE = "csrc/align.cpp"

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")


@dataclass(frozen=True)
class Built:
    """The task with its base built, but not timed: what these tests judge ends before any clock is asked."""

    loaded: LoadedTask
    repository: Repository
    folder: Path
    root: Path
    cpp: str

    def patch(self, name: str, files: dict[str, str | bytes]) -> Path:
        """A diff that writes these files, whatever git would say to them."""
        tree = self.folder / f"tree-{name}"
        self.repository.check_out(tree)
        for path, content in files.items():
            (tree / path).write_bytes(content if isinstance(content, bytes) else content.encode())
        with self.repository.index_over(tree) as env:
            from harness.git import run_git

            run_git(tree, "add", "--all", "--force", env=env)
            diff = run_git(tree, "diff", "--no-ext-diff", "--cached", "--binary", self.repository.commit, env=env)
        file = self.folder / f"{name}.diff"
        file.write_bytes(diff)
        return file

    def judge(self, name: str, patch: Path) -> Judgement:
        machine = Device(kind="cpu", name="any", cores=1, memory_gb=1.0, platform="any", versions={})
        noise = NoiseFloor(speedup=Interval(estimate=1.0, low=0.99, high=1.01), sessions=8)
        base = Base(self.repository, self.root, "cpu", frozenset(), noise, machine, [])
        folder = AttemptFolder(self.folder / "judged" / name).create()
        judge = Judge(self.loaded, base, seed=1, workspace=self.folder / "scratch")
        return judge.judge(patch, folder, lambda _phase: None, lambda _phase, _progress: None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return make(tmp_path_factory.mktemp("native"), TASKS / "moe_align_native.yaml")


def make(folder: Path, task: Path) -> Built:
    loaded = load_task(str(task))
    repository = seal(loaded, folder / "judge.git")
    root = folder / "base"
    repository.check_out(root)
    build(loaded.task.build, root, folder / "scratch", folder / "build.log")
    return Built(loaded, repository, folder, root, (root / SOURCE).read_text())


def test_the_base_builds_and_all_its_tests_pass(built: Built) -> None:
    assert "moe_align_native/_align.abi3.so" in linked_artefacts(built.root)
    report = run_tests(built.loaded, built.root, built.folder / "tests", None, hidden=True)
    assert not report.failed and not report.broken
    assert len(report.passed) > 300
    assert any("test_contract" in name for name in report.passed) and any("test_align" in n for n in report.passed)


def test_a_fresh_checkout_holds_no_artefact(built: Built) -> None:
    fresh = built.folder / "fresh"
    built.repository.check_out(fresh)
    assert linked_artefacts(fresh) == {}


@pytest.mark.slow
def test_the_reference_is_right_and_faster(built: Built) -> None:
    """Measured at 1.9x to 2.3x on two cores; the claim here leaves room for a busy machine."""
    assert built.loaded.reference_patch is not None
    candidate = built.folder / "reference"
    built.repository.check_out(candidate)
    apply(built.repository, built.loaded.reference_patch, candidate)
    assert take_diff(built.repository, candidate).files == [SOURCE]
    build(built.loaded.task.build, candidate, built.folder / "scratch", built.folder / "reference.log")
    report = run_tests(built.loaded, candidate, built.folder / "reference-tests", None, hidden=True)
    assert not report.failed and not report.broken
    job = job_for(
        built.loaded,
        built.root,
        candidate,
        built.folder / "timing",
        device="cpu",
        seed=1,
        held_out=True,
        protocol=ADVISORY,
    )
    assert check_outputs(job, random_cases=20) is None
    measured = measure(job.model_copy(update={"held_out": False}), lambda _: None)
    assert isinstance(measured, Measurement), measured
    assert measured.speedup.estimate > 1.3


def test_a_failing_compile_speaks_with_the_compilers_words(built: Built) -> None:
    patch = built.patch("broken", {SOURCE: built.cpp.replace("starts[expert + 1] =", "starts[expert + 1] = no_such +")})
    judgement = built.judge("broken", patch)
    assert (judgement.status, judgement.cause) == ("build_failed", "build_command_failed")
    assert "csrc/align.cpp" in judgement.message and "no_such" in judgement.message


def test_a_wrong_result_is_incorrect(built: Built) -> None:
    patch = built.patch(
        "wrong", {SOURCE: built.cpp.replace("call.slots, static_cast<int32_t>(call.numel)", "call.slots, 0")}
    )
    judgement = built.judge("wrong", patch)
    assert (judgement.status, judgement.cause) == ("incorrect", "test_failed"), judgement.message


def test_a_write_behind_an_output_is_incorrect(built: Built) -> None:
    patch = built.patch(
        "beside",
        {SOURCE: built.cpp.replace("call.expert_ids + call.blocks, -1", "call.expert_ids + call.blocks + 1, -1")},
    )
    judgement = built.judge("beside", patch)
    assert judgement.status == "incorrect", judgement.message


def test_a_planted_library_is_rejected(built: Built) -> None:
    """The base ignores *.so, so that no diff taken of the tree would show it."""
    library = (built.root / "moe_align_native/_align.abi3.so").read_bytes()
    cpp = built.cpp.replace("PROGRAMS = 64", "PROGRAMS = 32")
    patch = built.patch("planted", {SOURCE: cpp, "moe_align_native/_align.abi3.so": library})
    judgement = built.judge("planted", patch)
    assert (judgement.status, judgement.cause) == ("rejected", "outside_target_files")
    assert "_align.abi3.so" in judgement.message and "git ignores" in judgement.message


def test_a_patch_of_the_build_is_rejected(built: Built) -> None:
    patch = built.patch("setup", {"setup.py": "print('built')\n"})
    assert built.judge("setup", patch).cause == "outside_target_files"


def test_a_build_that_compiles_something_else_is_our_failure(tmp_path: Path) -> None:
    """A task whose build takes another file than the one that patches may touch."""
    shutil.copytree(TASKS / "moe_align_native", tmp_path / "moe_align_native")
    target = tmp_path / "moe_align_native" / "target"
    shutil.copy(target / SOURCE, target / "csrc/other.cpp")
    setup = target / "setup.py"
    setup.write_text(setup.read_text().replace(SOURCE, "csrc/other.cpp"))
    shutil.copy(TASKS / "moe_align_native.yaml", tmp_path)
    stale = make(tmp_path / "built", tmp_path / "moe_align_native.yaml")
    judgement = stale.judge(
        "stale", stale.patch("stale", {SOURCE: stale.cpp.replace("PROGRAMS = 64", "PROGRAMS = 32")})
    )
    assert (judgement.status, judgement.cause) == ("infra_failed", "patch_not_in_effect"), judgement.message
    assert "whatever they hold" in judgement.message


def test_a_comment_is_in_effect_although_the_machine_code_is_the_bases(built: Built) -> None:
    checkout = built.folder / "comment"
    built.repository.check_out(checkout)
    (checkout / SOURCE).write_text(placebo(SOURCE, built.cpp, random.Random(2)))
    patch = take_diff(built.repository, checkout)
    build(built.loaded.task.build, checkout, built.folder / "scratch", built.folder / "comment.log")
    assert linked_artefacts(checkout) == linked_artefacts(built.root)
    proof = built.folder / "comment-proof"
    proof.mkdir()
    require_in_effect(built.repository, built.loaded.task.build, built.root, checkout, patch, proof)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("CC=no-such-gcc CXX=no-such-g++ python setup.py -q build_ext --inplace --force", "A compiler is missing"),
        ("no-such-g++ csrc/align.cpp || g++-99 csrc/align.cpp", "A compiler is missing"),
        ("g++ -c csrc/align.cpp", "Python's headers are missing"),
    ],
)
def test_what_a_build_lacks_is_named_at_admission(tmp_path: Path, command: str, words: str) -> None:
    loaded = load_task(str(TASKS / "moe_align_native.yaml"))
    loaded = loaded.model_copy(update={"task": loaded.task.model_copy(update={"build": [command]})})
    with pytest.raises(AdmissionError, match="The base does not build") as error:
        admit(loaded, seal(loaded, tmp_path / "judge.git"), tmp_path / "base", tmp_path / "scratch", 1, lambda _: None)
    assert words in str(error.value)


def test_its_bench_is_that_of_moe_align(built: Built) -> None:
    from harness.timing.bench import load_bench

    ours = load_bench(built.loaded.bench_file)
    theirs = load_bench(TASKS / "moe_align" / "bench.py")
    assert ours.listed("cpu", held_out=True) == theirs.listed("cpu", held_out=True)
    assert "moe_align_block_size" in ours.call_source
    assert ours.random_workload is not None
    assert ours.random_workload(random.Random(1), "cpu").name.startswith("random-")
