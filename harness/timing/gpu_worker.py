"""What a worker does on a GPU: poison memory, flush the cache, capture and replay graphs, list kernels.

Loaded by path inside a session, before the target is imported, like `wire`; it imports nothing of the harness. What
it calls of torch while the referee's clock runs, or to prepare what is checked, it takes hold of before the target
can patch the name: `torch.cuda.synchronize = lambda: None` in a target stops nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.timing.wire import Tree

POISON = 0x7FF4_DEAD_7FF4_BEEF
"""A NaN as float64; two as float32; every other lane one as bfloat16 or float16; far out of range as an index."""

_SMALL_BLOCK = 1 << 20  # the caching allocator serves requests up to here from its small pool
_SMALL_RESERVE = 32
_LARGE_RESERVE = 256 << 20
_DEFAULT_POOL = (0, 0)
_REPORT_LINES = 10


def free_blocks(snapshot: list[dict[str, Any]]) -> list[int]:
    """Sizes to ask the allocator for, largest first, so as to be given all its free memory and no more.

    Requests up to 1 MiB are served from small segments, which may hold larger free blocks; larger ones from large
    segments, where a free block up to 1 MiB is given to nobody.

    Args:
        snapshot: what `torch.cuda.memory_snapshot()` returns.
    """
    sizes = []
    for segment in snapshot:
        if segment["stream"] != 0 or tuple(segment.get("segment_pool_id", _DEFAULT_POOL)) != _DEFAULT_POOL:
            continue  # another stream's, or a graph's: ours would not be put there
        for block in segment["blocks"]:
            if block["state"] != "inactive":
                continue
            if segment["segment_type"] == "small":
                whole, rest = divmod(block["size"], _SMALL_BLOCK)
                sizes += [_SMALL_BLOCK] * whole + [rest] * (rest > 0)
            elif block["size"] > _SMALL_BLOCK:
                sizes.append(block["size"])
    return sorted(sizes, reverse=True)


class Gpu:
    """The current CUDA device, as one session uses it."""

    def __init__(self) -> None:
        torch.cuda.init()
        torch.empty(1, device="cuda")  # the context itself, outside any clock
        self._fill = torch._C.TensorBase.fill_
        self._copy = torch._C.TensorBase.copy_
        self._empty = torch.empty
        self._snapshot: Callable[[], list[dict[str, Any]]] = torch.cuda.memory_snapshot
        self._replay = torch._C._CUDAGraph.replay
        self._record = torch._C._CudaEventBase.record
        self._elapsed = torch._C._CudaEventBase.elapsed_time
        self._stream = torch.cuda.current_stream()
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        # The whole device, whatever stream the work is on, and no Python in between.
        self.synchronise: Callable[[], None] = torch._C._cuda_synchronize
        self._flushed: torch.Tensor | None = None
        self._nothing: torch.cuda.CUDAGraph | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self.slots: list[Any] = []
        self.outputs: list[Any] = []
        # Fresh memory from the driver is all zeros, and zeros can be right by chance.
        self._poison([_LARGE_RESERVE] + [_SMALL_BLOCK] * _SMALL_RESERVE)

    def to_device(self, value: Tree) -> Tree:
        """The tree with its tensors on the GPU."""
        return _map_tensors(value, lambda tensor: tensor.to("cuda"))

    def poison(self) -> None:
        """Fill the allocator's free memory with garbage, so that an output nobody wrote cannot pass."""
        self._poison(free_blocks(self._snapshot()))

    def flush(self) -> None:
        """Push everything out of the L2 cache by writing twice its size; returns when that is done."""
        if self._flushed is None:
            size = 2 * torch.cuda.get_device_properties(0).L2_cache_size
            self._flushed = self._empty(size, dtype=torch.uint8, device="cuda")
        self._fill(self._flushed, 1)
        self.synchronise()

    def capture(
        self,
        call: Callable[..., Any],
        target: Any,  # noqa: ANN401 - any package
        contents: list[Any],
        calls: int,
    ) -> str | None:
        """Capture `calls` calls, each on inputs of its own, into one graph.

        Returns:
            None, or why the calls cannot be captured. Then this process's CUDA state is no longer to be trusted.
        """
        self.release()
        self.slots = [
            _map_tensors(contents[index % len(contents)], lambda tensor: tensor.clone()) for index in range(calls)
        ]
        if self._nothing is None:
            self._nothing = self._capture_nothing()
        graph, side, outputs = torch.cuda.CUDAGraph(), torch.cuda.Stream(), []
        try:
            side.wait_stream(self._stream)
            with torch.cuda.stream(side):
                for item in self.slots[:2]:
                    call(target, item)
            self.synchronise()
            with torch.cuda.graph(graph, stream=side):
                for item in self.slots:
                    outputs.append(call(target, item))
            self.synchronise()
        except Exception as error:  # whatever the target raises says why
            return str(error).strip().partition("\n")[0] or type(error).__name__
        self._graph, self.outputs = graph, outputs
        return None

    def refill(self, contents: list[Any], shift: int) -> None:
        """Write other content into the captured calls' inputs: call i gets `contents[(i + shift) % len(contents)]`."""
        for index, slot in enumerate(self.slots):
            self._write(slot, contents[(index + shift) % len(contents)])
        self.synchronise()

    def replay(self, times: int) -> int:
        """Replay the captured graph; nanoseconds on the device's own clock. None at all launches an empty graph."""
        graph = self._graph if times else self._nothing
        if graph is None:
            raise RuntimeError("no graph has been captured")
        start, end = self._events
        self._record(start, self._stream)
        for _ in range(max(times, 1)):
            self._replay(graph)
        self._record(end, self._stream)
        self.synchronise()
        return int(self._elapsed(start, end) * 1e6)

    def release(self) -> None:
        """Let go of the captured graph and what it holds."""
        self._graph, self.slots, self.outputs = None, [], []

    def trace_kernels(self, run: Callable[[], int]) -> list[tuple[str, int, float]]:
        """Name, launches and total device microseconds of every kernel that `run` starts, the longest first."""
        from torch._C._autograd import DeviceType  # noqa: PLC0415 - only in the session that traces
        from torch.profiler import ProfilerActivity, profile  # noqa: PLC0415

        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            run()
            self.synchronise()
        rows = [
            (str(row.key), int(row.count), float(row.self_device_time_total))
            for row in profiler.key_averages()
            if row.device_type == DeviceType.CUDA
        ]
        return sorted(rows, key=lambda row: -row[2])

    def kernel_report(self, run: Callable[[], int], calls: int) -> str:
        """The kernels that take most of the GPU's time, a line each."""
        rows = self.trace_kernels(run)[:_REPORT_LINES]
        lines = [f"{us / calls:10.1f} us a call in {count / calls:5.1f} x {name[:80]}" for name, count, us in rows]
        return "\n".join(["GPU:", *(lines or ["no kernel was started"])])

    def _poison(self, sizes: list[int]) -> None:
        held = []
        for size in sizes:
            held.append(self._empty(size // 8, dtype=torch.int64, device="cuda"))
            self._fill(held[-1], POISON)
        self.synchronise()

    def _capture_nothing(self) -> torch.cuda.CUDAGraph:
        """A graph of one small kernel: what launching and waiting for a graph costs, whatever is in it."""
        self._small = self._empty(1, dtype=torch.int64, device="cuda")
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._fill(self._small, 0)
        return graph

    def _write(self, slot: Tree, content: Tree) -> None:
        """Copy tensors into tensors; everything else was fixed when the graph was captured, and must be equal."""
        if isinstance(slot, torch.Tensor):
            self._copy(slot, content)
        elif isinstance(slot, dict):
            for key, item in slot.items():
                self._write(item, content[key])
        elif isinstance(slot, (list, tuple)):
            for item, other in zip(slot, content, strict=True):
                self._write(item, other)


def _map_tensors(value: Tree, change: Callable[[torch.Tensor], torch.Tensor]) -> Tree:
    """The tree with `change` of every tensor in its place."""
    if isinstance(value, dict):
        return {key: _map_tensors(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_map_tensors(item, change) for item in value)
    return change(value) if isinstance(value, torch.Tensor) else value
