"""The bench module: what it must have, and what of it may leave the referee."""

from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from harness.errors import TaskError
from harness.timing.bench import load_bench
from harness.timing.inputs import Given
from harness.timing.oracle import OutputWrong, check_output
from harness.timing.session import Fetched
from harness.timing.shipped_source import self_contained_source

GOOD = """
from harness.timing.bench import Workload

def workloads(device):
    return [Workload(name="a"), Workload(name="b", held_out=True)]
def make_inputs(workload, seed):
    return [seed]
def call(target, inputs):
    return target.f(inputs)
def check(workload, inputs, outputs):
    return None
"""


def write(folder: Path, source: str) -> Path:
    path = folder / "bench.py"
    path.write_text(dedent(source))
    return path


def test_a_good_bench_loads(tmp_path: Path) -> None:
    bench = load_bench(write(tmp_path, GOOD))
    assert [each.name for each in bench.listed("cpu", held_out=True)] == ["a", "b"]
    assert [each.name for each in bench.listed("cpu", held_out=False)] == ["a"]
    assert bench.load_source is None
    assert bench.random_workload is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("def check", "def chekc"), "no function check"),
        (("from harness", "import no_such_module\nfrom harness"), "No module named 'no_such_module'"),
        (("def call(target, inputs):", "def call((target, inputs):"), r"SyntaxError: .* \(bench\.py:8\)"),
        (('name="b", held_out=True', 'name="a"'), "names a more than once"),
        (('[Workload(name="a"), ', "["), "shows none"),
        (('[Workload(name="a"), Workload(name="b", held_out=True)]', '["a"]'), "list of Workload"),
        (("    return [Workload", "    return [1 / 0, Workload"), "ZeroDivisionError"),
        (("return target.f(inputs)", "return target.f(inputs, SIZES)"), "call reads SIZES from outside"),
        (("def call", "@staticmethod\ndef call"), "must not be decorated"),
    ],
)
def test_a_bad_bench_is_named_with_what_is_wrong(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(TaskError, match=message) as raised:
        load_bench(path).listed("cpu", held_out=True)
    assert str(path) in str(raised.value)


def test_a_task_may_name_the_workloads_that_count(tmp_path: Path) -> None:
    bench = load_bench(write(tmp_path, GOOD))
    assert [each.name for each in replace(bench, only=("a",)).listed("cpu", held_out=True)] == ["a"]
    with pytest.raises(TaskError, match="has no z, y") as raised:
        replace(bench, only=("a", "z", "y")).listed("cpu", held_out=True)
    assert raised.value.remedy == "metric.workloads of the task may name a, b."
    with pytest.raises(TaskError, match="shows none"):
        replace(bench, only=("b",)).listed("cpu", held_out=True)


def test_a_missing_bench_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="There is no bench"):
        load_bench(tmp_path / "none.py")


def test_call_may_import_define_and_annotate(tmp_path: Path) -> None:
    source = """
        def call(target: Module, inputs: Inputs, scale: int = 2) -> Output:
            import math
            from os import path as where
            size: Size = len(inputs)
            def inner(x: Other):
                return [call, math.pi * x * size * y for y in range(scale)][1:] if False else where
            return {key: inner(value) for key, value in inputs.items()}
    """.replace("[call, math.pi * x * size * y for", "[math.pi * x * size * y for")
    shipped = self_contained_source(dedent(source), "call", tmp_path)
    namespace: dict[str, object] = {}
    exec(shipped, namespace)  # noqa: S102
    assert "Module" not in shipped
    assert callable(namespace["call"])


@pytest.mark.parametrize(
    "body",
    [
        "return helper(inputs)",
        "return [helper(x) for x in inputs]",
        "return (lambda x: x + OFFSET)(inputs)",
        "global OFFSET\n    OFFSET = OFFSET + 1",
        "class A:\n        size = OFFSET\n    return A",
    ],
)
def test_names_from_outside_are_found_wherever_they_hide(tmp_path: Path, body: str) -> None:
    with pytest.raises(TaskError, match=r"reads (helper|OFFSET) from outside itself"):
        self_contained_source(f"def call(target, inputs):\n    {body}\n", "call", tmp_path)
    with pytest.raises(TaskError, match="reads DEFAULT"):
        self_contained_source("def call(target, inputs, x=DEFAULT):\n    return x\n", "call", tmp_path)


def test_repeatable_is_true_false_or_left_out(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="REPEATABLE is 1; it must be True, False or left out"):
        load_bench(write(tmp_path, f"{GOOD}\nREPEATABLE = 1\n"))


@pytest.mark.parametrize(
    ("given", "said"), [("True", "True"), ("False", "False"), ("''", "''"), ("outputs", r"\[1, 2\]")]
)
def test_a_check_that_gives_no_sentence_is_told_what_it_must_give(tmp_path: Path, given: str, said: str) -> None:
    bench = load_bench(write(tmp_path, GOOD.replace("return None", f"return {given}")))
    (workload, _) = bench.listed("cpu", held_out=True)
    with pytest.raises(OutputWrong, match=rf"check gave {said}; it must give None for an output that is right, else a"):
        check_output(bench, workload, Given(made=[1], packed=b""), Fetched([1, 2], b"", b""))
