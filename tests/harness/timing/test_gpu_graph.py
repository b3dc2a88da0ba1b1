"""How many calls go into a graph, and what must be the same in all of them."""

import json
from pathlib import Path

import pytest
import torch

from harness.timing.gpu_graph import LEAST_UNROLLED, MOST_UNROLLED, form, unroll
from harness.timing.gpu_worker import free_blocks
from harness.timing.job import Protocol


@pytest.mark.parametrize("call_us", [1.0, 5.0, 10.0, 40.0, 200.0])
@pytest.mark.parametrize("sample_ms", [0.1, 1.0, 5.0])
def test_a_sample_lasts_a_millisecond_or_more_and_what_was_asked_for(call_us: float, sample_ms: float) -> None:
    unrolled, replays = unroll(call_us, sample_ms, input_bytes=1000)
    lasts_ms = unrolled * replays * call_us / 1e3
    assert lasts_ms >= 0.99 * max(sample_ms, 1.0)
    assert unrolled <= MOST_UNROLLED
    assert unrolled >= LEAST_UNROLLED or unrolled * call_us >= 0.9 * 10_000


def test_one_replay_is_a_sample_where_the_graph_can_be_long_enough() -> None:
    assert unroll(10.0, 5.0, 1000) == (500, 1)
    assert unroll(40.0, 2.0, 1000) == (64, 1)
    assert unroll(2.0, 5.0, 1000) == (512, 5)


def test_slow_calls_and_large_inputs_keep_a_graph_short() -> None:
    assert unroll(30_000.0, 5.0, 1000) == (1, 1)
    unrolled, replays = unroll(10.0, 1.0, input_bytes=512 << 20)
    assert unrolled == 4
    assert unrolled * replays * 10.0 == pytest.approx(1000, rel=0.05)


def test_inputs_of_one_graph_differ_in_content_alone() -> None:
    def made(rows: int, number: int) -> dict[str, object]:
        return {"x": torch.full((rows, 2), number), "pair": (torch.tensor([number * 1.0]), 7), "none": None}

    assert form(made(3, 1)) == form(made(3, 2))
    assert form(made(3, 1)) != form(made(4, 1))
    assert form({"n": 1}) != form({"n": 2})
    assert form({"x": torch.zeros(2)}) != form({"x": torch.zeros(2, dtype=torch.float64)})


def test_all_free_memory_is_asked_for_in_sizes_that_get_it() -> None:
    """On a snapshot of an H100's allocator: 256 MiB reserved, 32 times 1 MiB, and three tensors, one of them freed."""
    snapshot = json.loads(Path(__file__).with_name("h100_snapshot.json").read_text())
    sizes = free_blocks(snapshot)
    free = sum(block["size"] for each in snapshot for block in each["blocks"] if block["state"] == "inactive")
    assert sum(sizes) == free
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[:3] == [253635072, 12000256, 1 << 20]
    # A free block of 2 MiB in a small segment is got by two requests: one for all of it would go elsewhere.
    assert sizes.count(1 << 20) == 31


def test_what_a_plain_request_cannot_be_given_is_left_alone() -> None:
    free = [{"size": 4 << 20, "state": "inactive"}]
    segment = {"stream": 0, "segment_type": "large", "segment_pool_id": [0, 0], "blocks": free}
    assert free_blocks([segment]) == [4 << 20]
    assert free_blocks([segment | {"stream": 7}]) == []
    assert free_blocks([segment | {"segment_pool_id": [0, 1]}]) == []
    assert free_blocks([segment | {"blocks": [{"size": 1 << 20, "state": "inactive"}]}]) == []
    assert free_blocks([segment | {"blocks": [{"size": 4 << 20, "state": "active_pending_free"}]}]) == []


@pytest.mark.parametrize("mode", ["latency", "throughput", "device"])
def test_a_protocol_is_never_made_weaker_for_a_gpu(mode: str) -> None:
    given = Protocol(looks=[6, 12], sample_ms=20.0, workload_ms=900.0, pairs=40, warmup_calls=50)
    used = given.on_gpu(mode)
    assert (used.sample_ms, used.workload_ms, used.pairs, used.warmup_calls) == (20.0, 900.0, 40, 50)
    assert (used.looks, used.alpha, used.min_effect) == (given.looks, given.alpha, given.min_effect)
    assert used.sessions_per_server == (12 if mode == "device" else 1)
    assert Protocol().on_gpu(mode).sample_ms == 5.0
