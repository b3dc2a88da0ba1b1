"""Timing by CUDA graphs: many calls captured, replayed as one, so that no host work lies between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from harness.timing.gpu import open_gpu
from harness.timing.machine import describe_device

AHEAD_CYCLES = 500_000  # a quarter of a millisecond


class CallGraph:
    """Calls captured one behind the other.

    Attributes:
        outputs: what each call returned; every replay writes it anew.
    """

    def __init__(self, calls: Sequence[Callable[[], Any]]) -> None:
        """Make each call once, so that all is compiled and allocated, then capture them."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for call in calls:
                call()
        torch.cuda.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream):
            self.outputs = [call() for call in calls]

    def replay_us(self, *, host_ahead: bool = False) -> float:
        """Replay once, wait for the end, and give the microseconds a call took.

        Args:
            host_ahead: whether the GPU is kept busy until the graph has been handed over. Otherwise what the host
                takes for that, more for more kernels, is counted once a replay.
        """
        if host_ahead:
            torch.cuda._sleep(AHEAD_CYCLES)
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        self._graph.replay()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e3 / len(self.outputs)


def describe_gpu() -> dict[str, Any]:
    """The device with its driver and versions, and how it is clocked now."""
    with open_gpu() as gpu:
        clocks = gpu.read().model_dump()
    return {**describe_device("cuda").model_dump(), "now": clocks}
