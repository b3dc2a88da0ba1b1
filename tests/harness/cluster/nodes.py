"""A real Ray cluster on this machine: every node has its own raylet, workers and object store."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tiny_task import TinyTask

from harness.events import Event
from harness.options import RunOptions
from harness.run import RunOutcome, run_task

STORE_BYTES = 100 << 20
# A dead node is found in a second or two; the defaults are for a network.
_SETTINGS = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


@dataclass
class Nodes:
    """The cluster, and its nodes by name."""

    cluster: Any
    ray_folder: Path
    scratch: Path
    by_name: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(cls, ray_folder: Path, scratch: Path, **more: Any) -> Nodes:  # noqa: ANN401 - what Ray's node takes
        from ray.cluster_utils import Cluster

        head = {
            "num_cpus": 0,
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
            "_system_config": _SETTINGS,
            **more,
        }
        return cls(Cluster(initialize_head=True, head_node_args=head), ray_folder, scratch)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    @property
    def stations(self) -> list[psutil.Process]:
        """The harness's processes on this cluster's nodes."""
        return [process for process in stations() if _environment(process).get("TMPDIR") == str(self.scratch)]

    @property
    def checkouts(self) -> list[Path]:
        return list((self.scratch / "perf-harness-nodes").glob("*"))

    def add(self, name: str, **offers: Any) -> None:  # noqa: ANN401 - what Ray's node takes
        self.by_name[name] = self.cluster.add_node(node_name=name, object_store_memory=STORE_BYTES, **offers)

    def kill(self, name: str) -> None:
        """End a node as a lost machine ends: no goodbye."""
        self.cluster.remove_node(self.by_name.pop(name), allow_graceful=False)

    def shut_down(self) -> None:
        self.cluster.shutdown()
        wait_until(lambda: not self.stations, "the stations' ends")
        shutil.rmtree(self.ray_folder, ignore_errors=True)

    def options(self, tiny: TinyTask, tmp_path: Path, **more: Any) -> RunOptions:  # noqa: ANN401 - any option
        given = {"agent": "nop", "seed": 7, "executor": "ray", "ray_address": self.address} | more
        return RunOptions(task=str(tiny.file), out=tmp_path / "runs", worktrees=tmp_path / "worktrees", **given)

    def run(self, tiny: TinyTask, tmp_path: Path, **more: Any) -> tuple[RunOutcome, list[Event]]:  # noqa: ANN401
        events: list[Event] = []
        return run_task(self.options(tiny, tmp_path, **more), events.append), events


def stations() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if "harness.cluster.station" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def end_what_is_left() -> list[str]:
    """End what Ray's processes below this one are left, and say which they were."""
    left = []
    for process in psutil.Process().children(recursive=True):
        try:
            line = " ".join(process.cmdline())
            if "raylet" in line or "gcs_server" in line or line.startswith("ray::"):
                left.append(line[:200])
                process.kill()
        except psutil.Error:
            continue
    return left


def wait_until(true: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"{what} did not come within {seconds:g} s"
        time.sleep(0.05)


def cli(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
