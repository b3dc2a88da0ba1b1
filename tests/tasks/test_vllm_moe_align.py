"""vLLM's own file as a target: fetched, sealed and loaded unbuilt, held to its own promises, and given the record."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.correctness import run_tests
from harness.evaluate import added_findings
from harness.git import Repository
from harness.patch import Patch, hold_against_policy, take_diff
from harness.public_api import require_unbroken_api
from harness.source import seal
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.timing.bench import Bench, Workload, load_bench

FILE = Path("vllm/model_executor/layers/fused_moe/fused_moe.py")
TASKS = Path(__file__).resolve().parents[2] / "tasks"
CARRY_OVER = TASKS / "vllm_moe_align" / "carry_over.py"
# What a worker does with the bench, through Triton's interpreter: tokens, top_k, experts, block, routing, dtype.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from harness.timing.bench import load_bench

bench = load_bench(Path(sys.argv[2]) / "tasks/vllm_moe_align/bench.py")
namespace = {}
exec(bench.load_source, namespace)
exec(bench.call_source, namespace)
target = namespace["load"](sys.argv[1])
assert target.__file__.startswith(sys.argv[1]), target.__file__
for shape, options in (
    ((1, 1, 1, 1), {}),
    ((1, 8, 64, 16), {}),
    ((11, 3, 5, 6), {"routing": "zipf", "dtype": "int64"}),
    ((90, 2, 8, 16), {"routing": "crowd"}),
    ((300, 2, 8, 4), {}),
):
    workload = sys.modules["_bench"]._workload("case", shape, **options)
    inputs = bench.make_inputs(workload, 3)
    wrong = bench.check(workload, inputs, namespace["call"](target, inputs))
    print(shape, wrong)
"""


@pytest.fixture(scope="module")
def task() -> LoadedTask:
    return load_task("vllm_moe_align")


@pytest.fixture(scope="module")
def base(task: LoadedTask, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The sealed sdist: fetched once, by the clients and from the index that pip is configured for."""
    return seal(task, tmp_path_factory.mktemp("vllm") / "base.git")


@pytest.fixture
def checkout(base: Repository, tmp_path: Path) -> Path:
    base.check_out(tmp_path / "checkout")
    return tmp_path / "checkout"


@pytest.fixture(scope="module")
def bench(task: LoadedTask) -> Bench:
    assert task.bench_file is not None
    return load_bench(task.bench_file)


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("TRITON_", "PYTEST_", "COV_"))}
    env |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
    line = [sys.executable, *map(str, command)]
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)


def carried_over(base: Repository, checkout: Path) -> Patch:
    done = run(CARRY_OVER, cwd=checkout)
    assert done.returncode == 0, done.stderr
    return take_diff(base, checkout)


def aligns(checkout: Path) -> list[str]:
    """What the oracle says of each case: `SHAPE None` where all is right."""
    done = run("-c", PROGRAM, checkout, TASKS.parent, cwd=checkout)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_sdist_is_sealed_whole_with_the_tasks_tests_beside_it(base: Repository, checkout: Path) -> None:
    files = set(base.files())
    assert {str(FILE), "LICENSE", "moe_align_tests/standing_in.py", "moe_align_tests/test_alignment.py"} <= files
    assert len(files) > 1800
    assert not list(checkout.rglob("*.so"))  # nothing is built


def test_the_file_is_loaded_without_a_vllm_that_is_built_and_its_alignment_is_right(checkout: Path) -> None:
    found = aligns(checkout)
    assert len(found) == 5
    assert all(line.endswith(" None") for line in found), found


def test_a_wrong_alignment_is_found_out(checkout: Path) -> None:
    text = (checkout / FILE).read_text()
    assert text.count("sorted_ids.fill_(topk_ids.numel())") == 1
    (checkout / FILE).write_text(text.replace("sorted_ids.fill_(topk_ids.numel())", "sorted_ids.fill_(0)"))
    assert any("expected" in line for line in aligns(checkout))


def test_what_stands_in_says_so(checkout: Path) -> None:
    program = "from moe_align_tests.standing_in import load; load().ops.topk_softmax"
    done = run("-c", program, cwd=checkout)
    assert "vllm._custom_ops.topk_softmax is not here" in done.stderr


def test_the_record_is_carried_over_into_that_one_file(task: LoadedTask, base: Repository, checkout: Path) -> None:
    patch = carried_over(base, checkout)
    hold_against_policy(patch, task.task.target_files)
    untouched = checkout.parent / "untouched"
    base.check_out(untouched)
    assert added_findings(untouched, checkout, patch.files) == []
    found = aligns(checkout)
    assert len(found) == 5
    assert all(line.endswith(" None") for line in found), found


@pytest.mark.slow
def test_the_public_tests_pass_before_and_after(task: LoadedTask, base: Repository, tmp_path: Path) -> None:
    passed = []
    for name in ("before", "after"):
        checkout, scratch = tmp_path / name, tmp_path / f"{name}-scratch"
        base.check_out(checkout)
        scratch.mkdir()
        if name == "after":
            carried_over(base, checkout)
            assert task.task.api is not None
            require_unbroken_api(task.task.api, tmp_path / "before", checkout)
        report = run_tests(task, checkout, scratch, None, hidden=True)
        assert not report.failed and not report.broken
        passed.append(report.passed)
    assert passed[0] == passed[1] and len(passed[0]) > 10


def test_carrying_over_says_why_it_cannot(checkout: Path, tmp_path: Path) -> None:
    assert run(CARRY_OVER, cwd=checkout).returncode == 0
    again = run(CARRY_OVER, cwd=checkout)
    assert again.returncode == 1 and "carried over before?" in again.stderr
    elsewhere = run(CARRY_OVER, cwd=tmp_path)
    assert elsewhere.returncode == 1 and "root of a checkout of vLLM 0.7.3" in elsewhere.stderr
    other = tmp_path / "align.py"
    other.write_text("def moe_align_block_size(): pass\n")
    unfit = run(CARRY_OVER, other, cwd=checkout)
    assert unfit.returncode == 1 and "does not apply" in unfit.stderr
    (checkout / FILE).write_text("def moe_align_block_size(): return 1\n")
    late = run(CARRY_OVER, cwd=checkout)
    assert late.returncode == 1 and "has no function moe_align_block_size_triton" in late.stderr


def outputs_of(inputs: dict[str, Any]) -> list[torch.Tensor]:
    """A right answer, pair by pair."""
    ids, block, experts = inputs["topk_ids"].reshape(-1).tolist(), inputs["block_size"], inputs["num_experts"]
    slots: list[int] = []
    owners: list[int] = []
    for expert in range(experts):
        region = [position for position, found in enumerate(ids) if found == expert]
        blocks = -(-len(region) // block)
        slots += region + [len(ids)] * (blocks * block - len(region))
        owners += [expert] * blocks
    length = len(ids) + experts * (block - 1)
    unused = -(-length // block) - len(owners)
    padded = slots + [len(ids)] * (length - len(slots))
    return [torch.tensor(each, dtype=torch.int32) for each in (padded, owners + [12345] * unused, [len(slots)])]


def some_inputs(bench: Bench) -> tuple[Workload, dict[str, Any]]:
    workload = bench.listed("cpu", held_out=False)[0]
    return workload, bench.make_inputs(workload, 1)


def test_what_is_promised_is_compared_and_the_rest_is_not(bench: Bench) -> None:
    workload, inputs = some_inputs(bench)
    right = outputs_of(inputs)
    assert bench.check(workload, inputs, right) is None
    right[1][-1] = -1  # the owner of a block that nobody looks at
    assert bench.check(workload, inputs, tuple(right)) is None


def swap(tensor: torch.Tensor) -> torch.Tensor:
    changed = tensor.clone()
    changed[0], changed[1] = tensor[1], tensor[0]
    return changed


WRONG: list[tuple[int, Callable[[torch.Tensor], object], str]] = [
    (0, swap, r"sorted_token_ids\[0\]: expected"),
    (0, lambda right: torch.cat([right[:-1], torch.zeros(1, dtype=torch.int32)]), r"expected 32, found 0"),
    (0, lambda right: right[:-1], "expected shape"),
    (0, lambda right: right.long(), "dense int32 tensor, found torch.int64"),
    (1, lambda right: right + 1, r"expert_ids\[0\]: expected"),
    (1, torch.Tensor.numpy, "found int32"),
    (2, lambda right: right + 16, r"num_tokens_post_pad\[0\]: expected"),
]


@pytest.mark.parametrize(("output", "change", "said"), WRONG)
def test_wrong_outputs_are_named(
    bench: Bench, output: int, change: Callable[[torch.Tensor], object], said: str
) -> None:
    workload, inputs = some_inputs(bench)
    outputs: list[Any] = list(outputs_of(inputs))
    outputs[output] = change(outputs[output])
    wrong = bench.check(workload, inputs, outputs)
    assert wrong is not None
    assert re.search(said, wrong), wrong


def test_ids_are_in_range_and_differ_from_call_to_call(bench: Bench) -> None:
    rng = random.Random(0)
    assert bench.random_workload is not None
    for device in ("cpu", "cuda"):
        listed = bench.listed(device, held_out=True)
        for workload in [*listed, *(bench.random_workload(rng, device) for _ in range(20))]:
            params = workload.params
            first, again, other = (bench.make_inputs(workload, seed)["topk_ids"] for seed in (1, 1, 2))
            assert first.shape == (params["tokens"], params["top_k"])
            assert int(first.min()) >= 0 and int(first.max()) < params["experts"]
            assert torch.equal(first, again)
            assert workload not in listed or first.numel() < 8 or not torch.equal(first, other)


def test_the_published_shapes_are_all_there(bench: Bench) -> None:
    from benchmarks.moe_align_published import SHAPES

    keys = ("tokens", "top_k", "experts", "block")
    shown = [tuple(each.params[key] for key in keys) for each in bench.listed("cuda", held_out=False)]
    assert shown == SHAPES
