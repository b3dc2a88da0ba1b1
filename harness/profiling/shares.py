"""From the samples of a command's processes to seconds by function.

Wall time is what a user waits for, and processes run side by side: at every instant the time goes to the processes
that run, in equal parts, and where all of them wait, to those that wait for none of the others. So the parts add up
to the wall time whatever the command starts, and a parent that waits for its pool takes nothing from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from harness.profiling.places import Frame, Place

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]

_PROBE = (-1,)


class ProcessSamples(BaseModel):
    """What `harness/probe/sampling.py` tells of one process; times are seconds of the machine's monotonic clock.

    Attributes:
        began: when the probe began to load; the program's own time starts at `start`.
        told: when the probe was done with the telling; the program's own time ends at `end`.
        frames: function, file and first line.
        stacks: numbers in `frames`, outermost first.
        samples: number of the stack, seconds, whether it waited; in order, without gaps.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    parent: int | None
    began: Seconds
    start: Seconds
    end: Seconds
    told: Seconds
    frames: list[Frame]
    stacks: list[list[Count]]
    samples: list[tuple[Count, Seconds, Annotated[int, Field(ge=0, le=1)]]]


@dataclass
class Spent:
    """Seconds of wall time in one run of the command.

    Attributes:
        own: in a function itself and whatever outside the repository it called.
        whole: as long as it was on the stack, the repository's functions that it called included.
        probe: in our probe, which is not the command's.
        processes: how many told something.
    """

    own: dict[Place, float] = field(default_factory=lambda: defaultdict(float))
    whole: dict[Place, float] = field(default_factory=lambda: defaultdict(float))
    probe: float = 0.0
    processes: int = 0


@dataclass
class _Segment:
    """A stretch of one process's time."""

    process: ProcessSamples
    start: float
    end: float
    stack: tuple[int, ...]
    waits: bool


def spend(processes: list[ProcessSamples], place: Callable[[Frame], Place]) -> Spent:
    """Add the processes' samples up; `place` says whose a frame is."""
    spent = Spent(processes=len(processes))
    edges: list[tuple[float, int, _Segment]] = []
    for process in processes:
        for segment in _segments(process):
            edges += [(segment.start, 1, segment), (segment.end, 0, segment)]
    edges.sort(key=lambda edge: edge[:2])
    open_now: dict[int, _Segment] = {}
    before = 0.0
    for instant, opens, segment in edges:
        if open_now and instant > before:
            _attribute(list(open_now.values()), instant - before, spent, place)
        before = instant
        if opens:
            open_now[id(segment)] = segment
        else:
            open_now.pop(id(segment), None)
    return spent


def _segments(process: ProcessSamples) -> Iterable[_Segment]:
    now = process.start
    if process.start > process.began:
        yield _Segment(process, process.began, process.start, _PROBE, waits=False)
    for number, seconds, waits in process.samples:
        if number < len(process.stacks) and seconds > 0:
            yield _Segment(process, now, now + seconds, tuple(process.stacks[number]), bool(waits))
        now += seconds
    if process.told > max(now, process.end):
        yield _Segment(process, max(now, process.end), process.told, _PROBE, waits=False)


def _attribute(segments: list[_Segment], seconds: float, spent: Spent, place: Callable[[Frame], Place]) -> None:
    """Give a stretch in which nothing changes to those it belongs to."""
    takers = [segment for segment in segments if not segment.waits]
    if not takers:
        parents = {segment.process.parent for segment in segments}
        takers = [segment for segment in segments if segment.process.pid not in parents] or segments
    part = seconds / len(takers)
    for taker in takers:
        if taker.stack == _PROBE:
            spent.probe += part
            continue
        frames = [place(taker.process.frames[each]) for each in taker.stack if each < len(taker.process.frames)]
        if frames:
            spent.own[frames[-1]] += part
        for frame in set(frames):
            spent.whole[frame] += part
