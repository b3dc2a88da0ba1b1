"""The GPU's modes end to end: honest candidates, ones that cannot be captured, and ones that cheat."""

import pytest
from gpu_task import HONEST, SLOW, GpuTask

from harness.timing.client import check_outputs, measure, profile
from harness.timing.job import MeasureJob
from harness.timing.measurement import Measurement, WrongOutput


def measured(job: MeasureJob) -> Measurement:
    found = measure(job, lambda progress: None)
    assert isinstance(found, Measurement), found
    return found


@pytest.mark.parametrize("mode", ["latency", "throughput", "device"])
def test_a_slowdown_comes_back_in_every_mode(task: GpuTask, mode: str) -> None:
    found = measured(task.job(SLOW, mode=mode))
    assert found.speedup.high < 0.75
    assert found.speedup.low > 0.25
    assert found.graph_safe is (True if mode == "device" else None)
    assert found.gpu is not None
    assert len([block for block in found.gpu.blocks if block.voided is None]) == 6 * 2
    assert all(block.least_mhz > 0 and block.power_w > 0 for block in found.gpu.blocks)
    assert found.gpu.base_kernels == found.gpu.candidate_kernels != []
    assert found.device.versions["driver"] == found.gpu.driver


def test_a_call_that_waits_for_the_host_is_timed_without_a_graph(task: GpuTask) -> None:
    waits = HONEST.replace("return", "x.sum().item(); return")
    found = measured(task.job(waits, mode="device"))
    assert found.graph_safe is False
    assert [(each.role, each.workload) for each in found.not_captured] == [("candidate", "rows")]
    assert "captur" in found.not_captured[0].reason
    assert found.speedup.high < 1


BAKED = """
import torch
kept = {}
def rectify(x):
    if x.data_ptr() not in kept:
        kept[x.data_ptr()] = (x - x[:, :1] - 80).clamp(min=0)
    return kept[x.data_ptr()]
"""
ONLY_WHEN_EAGER = """
import torch
def rectify(x):
    if torch.cuda.is_current_stream_capturing():
        return torch.zeros_like(x)
    return (x - x[:, :1] - 80).clamp(min=0)
"""
UNWRITTEN = """
import torch
def rectify(x):
    # Right wherever fresh memory is all zeros.
    result = torch.empty_like(x)
    full = (x - x[:, :1] - 80)
    result[full > 0] = full[full > 0]
    return result
"""


@pytest.mark.parametrize("source", [BAKED, ONLY_WHEN_EAGER], ids=["baked", "only when eager"])
def test_what_a_graph_leaves_out_comes_out_wrong(task: GpuTask, source: str) -> None:
    assert isinstance(measure(task.job(source, mode="device"), lambda progress: None), WrongOutput)


def test_memory_that_nobody_wrote_is_not_taken_for_zeros(task: GpuTask) -> None:
    found = check_outputs(task.job(UNWRITTEN))
    assert isinstance(found, WrongOutput)
    assert check_outputs(task.job(HONEST)) is None


SIDE_STREAM = """
import torch
torch.cuda.synchronize = lambda *arguments: None
side = torch.cuda.Stream()
def rectify(x):
    with torch.cuda.stream(side):
        for _ in range(3):
            result = (x - x[:, :1] - 80).clamp(min=0)
    return result
"""


def test_work_on_a_side_stream_is_waited_for(task: GpuTask) -> None:
    found = measured(task.job(SIDE_STREAM, SLOW))
    assert found.speedup.low < 1.1


def test_a_cold_cache_is_measured(task: GpuTask) -> None:
    cold = measured(task.job(HONEST, cache="cold"))
    assert cold.speedup.low < 1.05
    assert cold.speedup.high > 0.95


def test_a_profile_names_the_kernels(task: GpuTask) -> None:
    report = profile(task.job(HONEST))
    assert isinstance(report, str)
    assert "GPU:" in report
    assert "elementwise" in report
