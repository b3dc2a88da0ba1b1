"""Measuring end to end, with real processes: honest candidates, and the bench's and base's own faults."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from toy_task import BENCH, HONEST, SLOW, Toy

from harness.errors import AdmissionError, InfrastructureError, TaskError
from harness.timing.client import check_outputs, measure
from harness.timing.job import Protocol
from harness.timing.measurement import Measurement, Progress, Refusal, WrongOutput

Ignore = Callable[[Progress], None]


def test_a_faster_candidate_is_found_faster(toy: Toy) -> None:
    seen: list[Progress] = []
    found = measure(toy.job(HONEST, SLOW), seen.append)
    assert isinstance(found, Measurement)
    assert 2.0 < found.speedup.low <= found.speedup.estimate <= found.speedup.high
    assert found.speedup.estimate < 12
    assert found.stopped == "decided"
    assert found.sessions == 6
    assert found.look_level == 1 - 2**-5
    assert found.repeated_inputs == []
    assert [each.name for each in found.workloads] == ["short", "secret"]
    assert [each.held_out for each in found.workloads] == [False, True]
    assert all(each.base_us > 2 * each.candidate_us > 0 for each in found.workloads)
    assert [each.sessions for each in seen] == [1, 2, 3, 4, 5, 6]
    # The referee's clock and the worker's tell the same story when nobody lies.
    ratios = [sample.candidate_us / sample.candidate_worker_us for sample in found.samples]
    assert 0.7 < statistics.median(ratios) < 1.4
    assert min(sample.calls for sample in found.samples) >= 1
    assert {sample.candidate_first for sample in found.samples} == {True, False}
    assert list(Path(toy.folder / "scratch").iterdir()) == []


def test_a_slower_candidate_is_found_slower(toy: Toy, ignore: Ignore) -> None:
    found = measure(toy.job(SLOW, HONEST, held_out=False), ignore)
    assert isinstance(found, Measurement)
    assert found.speedup.estimate < 0.5
    assert [each.name for each in found.workloads] == ["short"]


def test_the_base_against_itself_is_about_the_same(toy: Toy, ignore: Ignore) -> None:
    found = measure(toy.job(HONEST), ignore)
    assert isinstance(found, Measurement)
    assert found.speedup.low < 1.15
    assert found.speedup.high > 0.87


def test_a_wrong_output_is_named(toy: Toy, ignore: Ignore) -> None:
    wrong = "def squares(values):\n    return [sum(v * v for v in values) + (len(values) == 2000)]\n"
    found = measure(toy.job(wrong), ignore)
    assert isinstance(found, WrongOutput)
    assert found.workload == "secret"
    assert found.held_out
    assert "expected" in found.detail
    assert check_outputs(toy.job(wrong)) == check_outputs(toy.job(wrong))
    assert isinstance(check_outputs(toy.job(wrong)), WrongOutput)
    assert check_outputs(toy.job(wrong, held_out=False)) is None


def test_only_the_workloads_that_a_task_names_count(toy: Toy) -> None:
    wrong = "def squares(values):\n    return [sum(v * v for v in values) if len(values) < 1000 else 0]\n"
    job = toy.job(wrong)
    assert check_outputs(job.model_copy(update={"workloads": ["short"]})) is None
    assert isinstance(check_outputs(job.model_copy(update={"workloads": ["short", "secret"]})), WrongOutput)
    with pytest.raises(TaskError, match="has no shrot"):
        check_outputs(job.model_copy(update={"workloads": ["shrot"]}))


def test_random_workloads_find_what_the_listed_ones_miss(toy: Toy) -> None:
    wrong = "def squares(values):\n    return [sum(v * v for v in values) if len(values) > 60 else 0]\n"
    assert check_outputs(toy.job(wrong)) is None
    found = check_outputs(toy.job(wrong), random_cases=3)
    assert isinstance(found, WrongOutput)
    assert found.workload == "random"


def test_a_candidate_that_is_wrong_only_now_and_then_is_caught_in_the_timed_calls(toy: Toy, ignore: Ignore) -> None:
    wrong = HONEST + "\nseen = []\nright = squares\ndef squares(values):\n    seen.append(1)\n"
    wrong += "    return right(values) if len(seen) < 30 else [1]\n"
    assert check_outputs(toy.job(wrong)) is None
    assert isinstance(measure(toy.job(wrong), ignore), WrongOutput)


def test_a_candidate_without_the_function_is_refused(toy: Toy, ignore: Ignore) -> None:
    found = measure(toy.job("import no_such_package\n"), ignore)
    assert isinstance(found, Refusal)
    assert found.cause == "import_failed"
    assert found.message.endswith("ModuleNotFoundError: No module named 'no_such_package'")
    found = measure(toy.job("def square(values): return 1\n"), ignore)
    assert isinstance(found, Refusal)
    assert (found.cause, found.workload, found.status) == ("call_raised", "short", "incorrect")


def test_a_wrong_base_is_no_candidates_fault(toy: Toy, ignore: Ignore) -> None:
    with pytest.raises(AdmissionError, match="base's own output is wrong"):
        measure(toy.job(HONEST, "def squares(values): return [3]\n"), ignore)


def test_a_base_that_fails_is_no_candidates_fault(toy: Toy, ignore: Ignore) -> None:
    with pytest.raises(InfrastructureError, match=r"(?s)base could not be timed on workload short.*\n.*boom"):
        measure(toy.job(HONEST, "def squares(values): raise ValueError('boom')\n"), ignore)


def test_a_bad_bench_is_the_tasks_fault(toy: Toy, ignore: Ignore) -> None:
    job = toy.job(HONEST)
    toy.bench.write_text(toy.bench.read_text().replace("rng.randrange(1000)", "{1, 2}"))
    with pytest.raises(TaskError, match=r"make_inputs of short: cannot send a builtins\.set"):
        measure(job, ignore)
    with pytest.raises(TaskError, match="'telepathy' cannot be timed"):
        measure(job.model_copy(update={"mode": "telepathy"}), ignore)


def test_inputs_that_repeat_are_reported(toy: Toy, ignore: Ignore) -> None:
    job = toy.job(HONEST, held_out=False)
    toy.bench.write_text(toy.bench.read_text().replace("random.Random(seed)", "random.Random(1)"))
    found = measure(job, ignore)
    assert isinstance(found, Measurement)
    assert found.repeated_inputs == ["short"]


def test_a_bench_can_load_the_target_its_own_way(toy: Toy) -> None:
    with toy.bench.open("a") as bench:
        bench.write(
            "\ndef load(root):\n    import importlib.util\n"
            "    spec = importlib.util.spec_from_file_location('other', root + '/toy/other.py')\n"
            "    module = importlib.util.module_from_spec(spec)\n    spec.loader.exec_module(module)\n"
            "    return module\n"
        )
    job = toy.job("raise RuntimeError('not this one')\n")
    (toy.folder / "candidate" / "toy" / "other.py").write_text(HONEST)
    assert check_outputs(job) is None


def test_an_operation_that_works_in_place_may_change_its_inputs(toy: Toy, ignore: Ignore) -> None:
    in_place = HONEST.replace("return [total]", "values[0] = -1\n    return [total]")
    assert isinstance(measure(toy.job(in_place, in_place, held_out=False), ignore), Measurement)
    assert check_outputs(toy.job(in_place, in_place)) is None


def test_ctrl_c_leaves_nothing_running(toy: Toy) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(toy.job(HONEST), interrupt)
    assert psutil.Process().children(recursive=True) == []
    assert list(Path(toy.folder / "scratch").iterdir()) == []


def test_a_referee_that_dies_is_our_failure_and_takes_its_workers_along(toy: Toy) -> None:
    started: list[psutil.Process] = []

    def kill(progress: Progress) -> None:
        started.extend(psutil.Process().children(recursive=True))
        psutil.Process().children()[0].kill()

    protocol = Protocol(looks=[50], pairs=4, workload_ms=10.0)
    with pytest.raises(InfrastructureError, match="referee ended with exit code -9"):
        measure(toy.job(HONEST, protocol=protocol), kill)
    deadline = time.monotonic() + 5
    while any(each.is_running() for each in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert started
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in started)


def test_asking_for_a_measurement_imports_nothing_heavy() -> None:
    code = "import sys, harness.timing.client; print(sorted({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize(("repeats", "words"), [(True, "gave another output"), (False, "must vary")])
def test_a_bench_says_whether_outputs_repeat(toy: Toy, repeats: bool, words: str) -> None:
    loose = BENCH.replace("if outputs == expected else", "if len(outputs) == 1 else")
    toy.bench.write_text(f"{loose}\n\nREPEATABLE = {repeats}\n")
    fixed = "def squares(values):\n    return [len(values)]\n"
    drawn = "import random\n\ndef squares(values):\n    return [random.random()]\n"
    right, wrong = (fixed, drawn) if repeats else (drawn, fixed)
    assert check_outputs(toy.job(right)) is None
    found = check_outputs(toy.job(wrong))
    assert isinstance(found, WrongOutput)
    assert words in found.detail
