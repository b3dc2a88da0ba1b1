"""Which blocks stand, on readings recorded on an H100 (before, during and after large matrix products)."""

import json
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.timing.gpu import Watch, visible_gpu, wait_until_idle
from harness.timing.gpu_blocks import POWER_CAP, reason_names, summarise
from harness.timing.gpu_records import GpuReading

RECORDED = [
    GpuReading(sm_mhz=clock, temperature_c=temperature, power_w=power, reasons=reasons)
    for clock, temperature, power, reasons in json.loads(Path(__file__).with_name("h100_readings.json").read_text())
]
STEADY = GpuReading(sm_mhz=1980, temperature_c=40, power_w=126.3, reasons=0)


def changed(**changes: float) -> GpuReading:
    return STEADY.model_copy(update=changes)


def test_a_steady_block_stands() -> None:
    block = summarise(3, "rows", [STEADY] * 10, [changed(sm_mhz=1965, power_w=131.0)] * 10)
    assert block.voided is None
    assert (block.session, block.workload) == (3, "rows")
    assert (block.base_mhz, block.candidate_mhz, block.least_mhz, block.most_mhz) == (1980, 1965, 1965, 1980)
    assert (block.power_w, block.reasons) == (131.0, [])


@pytest.mark.parametrize(
    ("bits", "name"),
    [(0x8, "hw_slowdown"), (0x20, "sw_thermal_slowdown"), (0x40, "hw_thermal_slowdown"), (0x80, "hw_power_brake")],
)
def test_one_reading_of_throttling_voids_a_block(bits: int, name: str) -> None:
    block = summarise(0, "rows", [STEADY] * 10, [STEADY] * 9 + [changed(reasons=bits)])
    assert block.voided is not None
    assert block.voided.startswith(f"throttled: {name}")


@pytest.mark.parametrize("bits", [0x1, 0x2, 0x4, 0x10, 0x100])
def test_other_reasons_are_recorded_and_void_nothing(bits: int) -> None:
    block = summarise(0, "rows", [STEADY] * 10, [changed(reasons=bits)] * 10)
    assert block.voided is None
    assert block.reasons == reason_names(bits) != []


def test_a_clock_that_moves_voids_a_block() -> None:
    # As recorded: the clock rises from idle as work begins, and falls under the power cap.
    clocks = {each.sm_mhz for each in RECORDED}
    assert max(clocks) / min(clocks) > 1.1
    half = len(RECORDED) // 2
    block = summarise(0, "rows", RECORDED[:half], RECORDED[half : 2 * half])
    assert block.voided is not None
    assert "clock moved under the base" in block.voided
    assert (block.least_mhz, block.most_mhz) == (min(clocks), max(clocks))


def test_a_stray_reading_moves_no_median_and_voids_nothing() -> None:
    assert summarise(0, "rows", [STEADY] * 8 + [changed(sm_mhz=1200)] * 2, [STEADY] * 10).voided is None


def test_arms_clocked_apart_void_a_block_unless_the_power_cap_does_it() -> None:
    apart = summarise(0, "rows", [STEADY] * 10, [changed(sm_mhz=1900)] * 10)
    assert apart.voided == "the SM clock was 4.2% apart between base and candidate"
    capped = summarise(0, "rows", [STEADY] * 10, [changed(sm_mhz=1900, reasons=POWER_CAP)] * 10)
    assert capped.voided is None


def test_a_watch_keeps_voided_blocks_too() -> None:
    readings = iter([STEADY, changed(sm_mhz=1500), STEADY, STEADY])
    watch = Watch(lambda: next(readings))
    for session in (0, 0):
        watch.sample("base")
        watch.sample("candidate")
        watch.close_block(session, "rows")
    assert [block.voided is None for block in watch.blocks] == [False, True]
    assert watch.voided == 1


def test_unknown_reasons_keep_their_number() -> None:
    assert reason_names(0x1 | 0x4000) == ["idle", "0x4000"]


UUIDS = ["GPU-aa11", "GPU-aa22", "GPU-bb33"]


@pytest.mark.parametrize(
    ("visible", "index"), [(None, 0), ("1", 1), ("2,0", 2), ("GPU-bb", 2), ("GPU-aa22", 1), (" 1 ", 1)]
)
def test_the_gpu_that_workers_see_first_is_the_one_watched(visible: str | None, index: int) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert visible_gpu(UUIDS, environment) == index


@pytest.mark.parametrize("visible", ["", "3", "-1", "GPU-aa", "GPU-cc", "MIG-aa11"])
def test_a_gpu_that_is_not_there_is_our_failure(visible: str) -> None:
    with pytest.raises(InfrastructureError, match="names none of this machine's 3 GPUs"):
        visible_gpu(UUIDS, {"CUDA_VISIBLE_DEVICES": visible})


def test_others_work_is_waited_for_then_refused() -> None:
    readings = iter([90, 40, 0, 0, 12, 3, 2, 1])
    wait_until_idle(lambda: next(readings), pytest.fail, reading_seconds=0.001)
    assert list(readings) == []

    said: list[str] = []
    with pytest.raises(InfrastructureError, match="gpu_busy: others have kept the GPU 77 % busy"):
        wait_until_idle(lambda: 77, said.append, most_seconds=0.3, reading_seconds=0.01)
    assert said == []
    with pytest.raises(InfrastructureError):
        wait_until_idle(lambda: 77, said.append, most_seconds=3.4, reading_seconds=0.1)
    assert len(said) == 1
    wait_until_idle(lambda: None, pytest.fail)
