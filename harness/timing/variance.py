"""Does a fork server hide the variance between processes? `python -m harness.timing.variance` measures it.

Three ways to open the sessions of an A/A measurement, in turn, round after round:

- one server: a round's sessions are forked from one pair of fork servers;
- a server each: every session has a pair of its own, which is what judges patches;
- fresh interpreters: nothing is forked; every session starts two interpreters that import everything themselves.

If sessions of one server share its luck, a round's sessions lie closer together than rounds do, beyond what the
machine's drift from round to round does to the other two. The ratio F of the mean squares between and within rounds
says so: 1 where sessions are independent (one-way analysis of variance; Kalibera and Jones, ISMM 2013, use the same
decomposition to find the level that has to be repeated). If a fork of a bare interpreter hid what a new interpreter
would show, the spread within rounds of `a server each` would be smaller than that of `fresh interpreters`.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median, stdev, variance

from harness.calibrate import CalibrateOptions, builtin_job
from harness.temporary import temporary_folder
from harness.timing.bench import load_bench
from harness.timing.descendants import Used, adopt_orphans, used_by_tree
from harness.timing.experiment import Experiment
from harness.timing.fork_server import _WORKER, ForkServer, _environment
from harness.timing.job import MeasureJob, Protocol
from harness.timing.measurement import Measurement, Sample
from harness.timing.servers import Servers
from harness.timing.session import Role, Session
from harness.timing.statistics import session_value
from harness.timing.wire import Channel
from harness.verdict import Record

# What the server's own child does after the fork, in an interpreter that never forked.
_ALONE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("worker", sys.argv[1])
worker = importlib.util.module_from_spec(spec)
sys.modules["worker"] = worker
spec.loader.exec_module(worker)
worker._session_and_exit(worker._load_beside("wire"), int(sys.argv[2]))
"""


class FreshInterpreter(ForkServer):
    """Opens each session as an interpreter of its own; the server it inherits stands idle."""

    def __init__(
        self, role: Role, root: Path, preload: tuple[str, ...], folder: Path, hash_seed: int, sandbox: str
    ) -> None:
        super().__init__(role, root, (), folder, hash_seed, sandbox)
        self._hash_seed = hash_seed
        self._started: dict[int, subprocess.Popen[bytes]] = {}

    def fork(self) -> Session:
        """Start an interpreter; despite the name nothing is forked off."""
        ours, theirs = socket.socketpair()
        with theirs, self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-B", "-c", _ALONE, str(_WORKER), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env=_environment(self._home, self._hash_seed),
                cwd=self._home / "home",
            )
        self._started[process.pid] = process
        return Session(self, process.pid, Channel(ours), 0)

    def used(self, pid: int) -> Used:
        """What a session and what it started have used: they are not below the server."""
        return used_by_tree(pid)

    def end(self, pid: int) -> int | None:
        """Kill a session if it still runs; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        process = self._started.pop(pid, None)
        return None if process is None else process.wait()


class _FreshServers(Servers):
    kind = FreshInterpreter

    def require_no_strays(self) -> None:
        """Sessions that no server forked look like strays, and both arms hold honest code."""


class _FreshExperiment(Experiment):
    servers = _FreshServers


class Spread(Record):
    """One design's spread, of one workload.

    Attributes:
        design: how sessions were opened.
        workload: its name.
        quantity: `ratio` (what is published) or `time` (the base's, which only interleaving saves us from).
        rounds: groups of sessions.
        sessions: in each group.
        within: standard deviation inside a round, of logarithms: about a relative one.
        f_ratio: mean square between rounds / within; 1 for independent sessions.
        low: end of the 95 % interval of the ratio of variances that F estimates.
        high: its other end.
    """

    design: str
    workload: str
    quantity: str
    rounds: int
    sessions: int
    within: float
    f_ratio: float
    low: float
    high: float


def spread(design: str, workload: str, quantity: str, groups: Sequence[Sequence[float]]) -> Spread:
    """One-way analysis of variance over groups of equal size.

    With k groups of m values: F = m var(group means) / mean(group variances), and F / F(0.975), F / F(0.025) with
    k - 1 and k (m - 1) degrees of freedom bound the ratio of expectations (Scheffe, The Analysis of Variance, 1959,
    section 7.2).

    Raises:
        ValueError: fewer than two groups, or groups of unequal size or fewer than two values.
    """
    count, size = len(groups), len(groups[0]) if groups else 0
    if count < 2 or size < 2 or any(len(each) != size for each in groups):
        raise ValueError("needs two or more groups of the same two or more values")
    from scipy.stats import f  # noqa: PLC0415 - slow to import

    inside = fmean(variance(each) for each in groups)
    ratio = size * stdev([fmean(each) for each in groups]) ** 2 / inside
    degrees = count - 1, count * (size - 1)
    return Spread(
        design=design,
        workload=workload,
        quantity=quantity,
        rounds=count,
        sessions=size,
        within=math.sqrt(inside),
        f_ratio=ratio,
        low=ratio / float(f.ppf(0.975, *degrees)),
        high=ratio / float(f.ppf(0.025, *degrees)),
    )


def measure_spreads(rounds: int, sessions: int) -> list[Spread]:
    """Run all designs in turn on the built-in bench and condense what comes out."""
    designs: dict[str, tuple[type[Experiment], int]] = {
        "one server": (Experiment, sessions),
        "a server each": (Experiment, 1),
        "fresh interpreters": (_FreshExperiment, 1),
    }
    found: dict[tuple[str, str, str], list[list[float]]] = {}
    with temporary_folder("variance") as space:
        job = builtin_job(CalibrateOptions(device="cpu"), Path(space))
        bench = load_bench(Path(job.bench_file))
        for _ in range(rounds):
            for name, (kind, shared) in designs.items():
                # One look after all sessions, and no early stop.
                protocol = Protocol(looks=[sessions], alpha=0.05, sessions_per_server=shared)
                measured = kind(_reseeded(job, protocol), bench, lambda _: None).run()
                if not isinstance(measured, Measurement):
                    raise SystemExit(f"{name}: an honest arm was refused: {measured}")
                for workload in measured.workloads:
                    samples = [each for each in measured.samples if each.workload == workload.name]
                    for quantity, values in _values(samples).items():
                        found.setdefault((name, workload.name, quantity), []).append(values)
    return [spread(*key, groups) for key, groups in sorted(found.items(), key=lambda item: item[0][1:])]


def _reseeded(job: MeasureJob, protocol: Protocol) -> MeasureJob:
    return job.model_copy(update={"protocol": protocol, "seed": secrets.randbits(53)})


def _values(samples: list[Sample]) -> dict[str, list[float]]:
    """Each session's log ratio, and the logarithm of its base's time."""
    sessions: dict[int, list[Sample]] = {}
    for each in samples:
        sessions.setdefault(each.session, []).append(each)
    taken = [each for _, each in sorted(sessions.items())]
    return {
        "ratio": [session_value([e.base_us for e in each], [e.candidate_us for e in each]) for each in taken],
        "time": [math.log(median(e.base_us for e in each)) for each in taken],
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m harness.timing.variance", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=16, help="rounds of every design (default 16)")
    parser.add_argument("--sessions", type=int, default=8, help="sessions in a round (default 8)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    adopt_orphans()
    spreads = measure_spreads(asked.rounds, asked.sessions)
    if asked.json:
        print("[" + ",\n ".join(each.model_dump_json() for each in spreads) + "]")
        return
    print(f"{'workload':14}{'of':8}{'sessions':22}{'n':>8}{'within':>9}{'F':>7}  95 % interval")
    for each in spreads:
        print(
            f"{each.workload:14}{each.quantity:8}{each.design:22}{each.rounds:>4}x{each.sessions:<3}"
            f"{each.within:>9.2%}{each.f_ratio:>7.2f}  [{each.low:.2f}, {each.high:.2f}]"
        )


if __name__ == "__main__":
    main()
