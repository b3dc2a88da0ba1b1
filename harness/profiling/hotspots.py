"""Functions ranked by what a faster one would be worth to whoever waits for the command: `harness hotspots`.

Time is seen by samples (`harness/probe/sampling.py`); cProfile, which charges every call of a small function with its
own cost and so finds small functions where there are none, counts the calls, in a run of its own. A sampler from
outside, such as py-spy, would have to read another process's memory, which the sandbox forbids everybody.

What a function is worth: if it takes the share p of the command's time and becomes s times as fast, the command
becomes 1 / (1 - p + p / s) times as fast (G. M. Amdahl, AFIPS Spring Joint Computer Conference, 1967).
"""

from __future__ import annotations

import math
import secrets
import shlex
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev

from pydantic import BaseModel, ValidationError

from harness.errors import UsageError
from harness.interruption import terminable
from harness.intervals import Rate, t_quantile
from harness.probing import Kind, Probed, command_line, require_success, run_probed
from harness.profiling.places import Place, Places, dotted_module
from harness.profiling.shares import Count, ProcessSamples, Spent, spend
from harness.sandbox import Wanted, use_sandbox
from harness.source import copy_folder
from harness.text import duration_text
from harness.verdict import Interval, Record
from harness.workspace import require_writable, workspace

_LEAST_SHARE = 0.001


@dataclass(frozen=True)
class HotspotOptions:
    """What to profile.

    Attributes:
        repository: the folder whose functions are ranked; the command runs in a copy of it.
        command: words of the command.
        repeat: how many sampled runs; at least 2, for an interval.
        seconds: wall-clock limit of each run.
    """

    repository: Path
    command: list[str]
    repeat: int
    seconds: float
    worktrees: Path
    sandbox: Wanted = "auto"


class Hotspot(Record):
    """One function.

    Attributes:
        function: qualified name.
        module: what it can be imported from; None where that has no name.
        file: relative to the repository.
        line: of its `def`.
        kind: function, method, nested or module.
        own: share of the command's wall time in it and in what it calls outside the repository.
        whole: the same, and the repository's own functions that it calls included.
        calls: in one run; None where they were not counted.
        twice: how many times as fast the command would be, were the function's own part twice as fast.
        free: the same, were it to take no time at all. Its high end is infinite where the interval reaches all of it.
    """

    function: str
    module: str | None
    file: str
    line: int
    kind: str
    own: Rate
    whole: Rate
    calls: int | None
    twice: Interval
    free: Interval | None


class Hotspots(Record):
    """What was found.

    Attributes:
        seconds: wall time of the command on its own.
        slowdown: how many times as long it took while it was sampled (median; the probe's own time left out).
        outside: mean share of the time that was in no function of the repository: imports, other programs, start-up.
        init: the command that drafts a task of the highest function that can be one; None where there is none.
    """

    command: str
    repository: str
    repeat: int
    processes: int
    seconds: float
    slowdown: float
    outside: float
    hotspots: list[Hotspot]
    init: str | None


class _Calls(BaseModel):
    calls: list[tuple[str, str, int, Count]]


def amdahl(share: float, times: float) -> float:
    """How many times as fast the whole becomes when the share `share` of it becomes `times` times as fast."""
    left = 1.0 - share + share / times
    return 1.0 / left if left > 0 else math.inf


def find_hotspots(options: HotspotOptions, say: Callable[[str], None]) -> Hotspots:
    """Run the command once as it is, once to count calls, and `repeat` times to see where its time goes.

    Raises:
        UsageError: there is no such folder, the command fails, or no function of the repository was seen in it.
        StorageError: the copy cannot be made.
    """
    if not options.repository.is_dir():
        raise UsageError(f"There is no folder {options.repository}.", remedy="Give the root of a repository.")
    command = command_line(options.command)
    require_writable(options.worktrees)
    use_sandbox(options.sandbox)
    with terminable(), workspace(options.worktrees / f"hotspots-{secrets.token_hex(4)}") as space:
        checkout = space / "tree"
        copy_folder(options.repository, checkout)

        def run(kind: Kind) -> Probed:
            ended = run_probed(command, checkout=checkout, scratch=space / "run", kind=kind, seconds=options.seconds)
            require_success(command, ended, options.repository, options.seconds)
            return ended

        say("running it as it is ...")
        plain = run("none")
        say(
            f"  {plain.seconds:.2f} s; {options.repeat + 1} more runs, about "
            f"{duration_text(plain.seconds * (options.repeat + 1.5))}"
        )
        places = Places(checkout)
        calls = _calls(run("counting").told, places)
        runs: list[tuple[Spent, float]] = []
        for number in range(options.repeat):
            sampled = run("sampling")
            spent = spend(_samples(sampled), places.of)
            runs.append((spent, max(sampled.seconds - spent.probe, sum(spent.own.values()), 1e-9)))
            say(f"run {number + 1}/{options.repeat}: {runs[-1][1]:.2f} s")
        return _report(options, command, plain, calls, runs, checkout)


def _samples(run: Probed) -> list[ProcessSamples]:
    try:
        return [ProcessSamples.model_validate(document) for document in run.told]
    except ValidationError as error:
        raise UsageError(f"What the command's processes told of themselves cannot be read: {error}") from error


def _calls(told: list[dict[str, object]], places: Places) -> dict[Place, int]:
    found: dict[Place, int] = defaultdict(int)
    for document in told:
        for name, file, line, count in _Calls.model_validate(document).calls:
            place = places.of((name, file, line))
            if place.name.rpartition(".")[2] == name:  # not a lambda or a comprehension in it
                found[place] += count
    return found


def _report(
    options: HotspotOptions,
    command: str,
    plain: Probed,
    calls: dict[Place, int],
    runs: list[tuple[Spent, float]],
    checkout: Path,
) -> Hotspots:
    seen = {place for spent, _ in runs for place in spent.whole}
    if not seen:
        raise UsageError(
            f"`{command}` spent no time that could be seen in a function of {options.repository}.",
            remedy="Profiled are the Python processes that it starts with this harness's Python, unless they shut "
            "PYTHONPATH out (-I, -E); what an extension module does counts for its caller in the repository.",
        )
    found = [_hotspot(place, runs, calls, checkout) for place in seen]
    ranked = sorted(found, key=lambda each: (-each.own.estimate, -each.whole.estimate, each.file, each.line))
    ranked = [each for each in ranked if each.whole.estimate >= _LEAST_SHARE] or ranked
    top = next((each for each in ranked if each.kind == "function" and each.module and each.own.estimate > 0), None)
    return Hotspots(
        command=command,
        repository=str(options.repository),
        repeat=len(runs),
        processes=max(spent.processes for spent, _ in runs),
        seconds=plain.seconds,
        slowdown=median(wall for _, wall in runs) / max(plain.seconds, 1e-9),
        outside=1.0 - fmean(min(sum(spent.own.values()) / wall, 1.0) for spent, wall in runs),
        hotspots=ranked,
        init=None if top is None else _init_line(options, command, top),
    )


def _init_line(options: HotspotOptions, command: str, top: Hotspot) -> str:
    words = ["harness", "init", str(options.repository), "--function", f"{top.module}:{top.function}"]
    return shlex.join([*words, "--trace", command])


def _hotspot(place: Place, runs: list[tuple[Spent, float]], calls: dict[Place, int], checkout: Path) -> Hotspot:
    own = _share([spent.own.get(place, 0.0) / wall for spent, wall in runs])
    whole = _share([spent.whole.get(place, 0.0) / wall for spent, wall in runs])
    return Hotspot(
        function=place.name,
        module=dotted_module(checkout, place.file),
        file=place.file,
        line=place.line,
        kind=place.kind,
        own=own,
        whole=whole,
        calls=calls.get(place),
        twice=_gain(own, 2.0),
        free=_gain(own, math.inf) if own.high < 1 else None,
    )


def _gain(share: Rate, times: float) -> Interval:
    ends = [amdahl(each, times) for each in (share.estimate, share.low, share.high)]
    return Interval(estimate=ends[0], low=ends[1], high=ends[2])


def _share(values: list[float]) -> Rate:
    """The mean over runs with Student's 95 % interval, kept between 0 and 1."""
    mean = min(fmean(values), 1.0)
    half = t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Rate(estimate=mean, low=max(mean - half, 0.0), high=min(mean + half, 1.0))
