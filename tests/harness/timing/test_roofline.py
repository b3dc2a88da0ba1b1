"""The roofline: told where bytes and bandwidth are known, and nothing at all where either is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from records import device

from harness.errors import TaskError
from harness.task_file import load_task
from harness.timing.bench import Bench, load_bench
from harness.timing.roofline import BANDWIDTHS, floor_us, least_bytes

TASK = Path(__file__).resolve().parents[3] / "tasks" / "moe_align.yaml"
BENCH = """
from harness.timing.bench import Workload

def workloads(device):
    return [Workload(name="a", params={"n": 10}), Workload(name="b", params={"n": 0}, held_out=True)]
def make_inputs(workload, seed):
    return [seed]
def call(target, inputs):
    return target.f(inputs)
def check(workload, inputs, outputs):
    return None
"""


def _bench(folder: Path, more: str) -> Bench:
    path = folder / "bench.py"
    path.write_text(BENCH + more)
    return load_bench(path)


def test_bytes_over_the_datasheets_bandwidth() -> None:
    h100 = device("NVIDIA H100 80GB HBM3")
    assert floor_us(3_350_000, h100) == pytest.approx(1.0)
    assert floor_us(None, h100) is None
    assert floor_us(3_350_000, device("AMD EPYC")) is None
    assert floor_us(3_350_000, device("NVIDIA H100 PCIe")) is None and len(BANDWIDTHS) >= 1


def test_a_bench_need_not_say(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "")
    assert least_bytes(bench, bench.listed("cpu", held_out=True)) == {}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("def least_bytes(workload): return workload.params['n'] * 4", r"least_bytes\('b'\) gave 0"),
        ("def least_bytes(workload): return 4.0", r"least_bytes\('a'\) gave 4.0"),
        ("def least_bytes(workload): return True", r"least_bytes\('a'\) gave True"),
        ("def least_bytes(workload): return workload.params['m']", r"least_bytes\('a'\) failed: KeyError: 'm'"),
        ("def least_bytes(): return 4", r"least_bytes\('a'\) failed: TypeError"),
    ],
)
def test_what_it_says_wrongly_is_told(tmp_path: Path, told: str, message: str) -> None:
    bench = _bench(tmp_path, told)
    with pytest.raises(TaskError, match=message):
        least_bytes(bench, bench.listed("cpu", held_out=True))


def test_a_number_in_place_of_the_function_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="least_bytes is 4; it must be a function"):
        _bench(tmp_path, "least_bytes = 4")


def test_moe_aligns_bytes_are_those_of_its_inputs_and_outputs() -> None:
    bench = load_bench(load_task(str(TASK)).bench_file)
    for workload in bench.listed("cuda", held_out=True):
        if workload.params["tokens"] > 2000:
            continue  # the same formula, only slower to count
        inputs = bench.make_inputs(workload, 1)
        ids, block = inputs["topk_ids"], workload.params["block"]
        slots = ids.numel() + workload.params["experts"] * (block - 1)
        slots = min(slots, ids.numel() * block) if ids.numel() < workload.params["experts"] else slots
        written = 4 * (slots + -(-slots // block) + 1)
        assert least_bytes(bench, [workload])[workload.name] == ids.nbytes + written, workload.name
