"""Is this machine fit for it? Each thing a run relies on is looked at or tried, and what is missing gets a remedy.

Nothing is changed, and nothing that costs money is asked of an endpoint.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.admission import resolve_device
from harness.calibration.store import calibration_note
from harness.errors import HarnessError, InfrastructureError, StorageError
from harness.gates import gate_folder
from harness.model_key import model_key
from harness.sandbox import choose_sandbox, has_gpu_devices, working_sandboxes
from harness.sandbox.workers import UNCONFINED, worker_sandbox
from harness.text import bytes_text, counted
from harness.verdict import Record
from harness.workspace import require_writable

State = Literal["ok", "note", "problem"]
_GIT = (2, 30)
_ASK_SECONDS = 10.0
_LEAST_FREE, _ENOUGH_FREE = 1 << 30, 5 << 30
_BUSY_LOAD = 0.5


class Check(Record):
    """One thing that was looked at.

    Attributes:
        state: `note` is for what works and could be better, or is not there and not needed by every run.
        found: what is so.
        remedy: what to do about it; None where it is ok.
    """

    name: str
    state: State
    found: str
    remedy: str | None = None


@dataclass(frozen=True)
class Where:
    """What is looked at: the folders and the endpoint a run would use."""

    out: Path
    worktrees: Path
    base_url: str | None = None


def examine(where: Where) -> Iterator[Check]:
    """Look at everything, one after the other, quick things first."""
    looks: list[Callable[[Where], list[Check]]] = [_python, _git, _sandbox, _gpu, _clocks, _gate, _disk, _calibration]
    for look in [*looks, _endpoint]:
        yield from look(where)


def _python(_where: Where) -> list[Check]:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    if sys.platform != "linux":
        return [Check(name="system", state="problem", found=found, remedy="Linux is needed: use a virtual machine.")]
    return [Check(name="system", state="ok", found=found)]


def _git(_where: Where) -> list[Check]:
    try:
        said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError) as error:
        remedy = "Install git (apt install git, dnf install git)."
        return [Check(name="git", state="problem", found=f"git does not run: {error}", remedy=remedy)]
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    if version < _GIT:
        remedy = f"Install git {_GIT[0]}.{_GIT[1]} or newer."
        return [Check(name="git", state="problem", found=said.strip(), remedy=remedy)]
    return [Check(name="git", state="ok", found=said.strip())]


def _sandbox(_where: Where) -> list[Check]:
    working = [sandbox.name for sandbox in working_sandboxes()]
    try:
        chosen = choose_sandbox("auto").name
    except HarnessError as error:
        return [Check(name="sandbox", state="problem", found=error.args[0], remedy=error.remedy)]
    checks = [Check(name="sandbox", state="ok", found=f"{chosen} (working here: {', '.join(working)})")]
    workers = worker_sandbox(chosen, "cpu")
    if workers == UNCONFINED:
        checks.append(
            Check(
                name="timed processes",
                state="note",
                found="not confined: this kernel has no Landlock",
                remedy="Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK confines them too.",
            )
        )
    else:
        checks.append(Check(name="timed processes", state="ok", found=workers))
    return checks


def _gpu(_where: Where) -> list[Check]:
    if not has_gpu_devices():
        return [
            Check(name="GPU", state="note", found="none; tasks for any device use the CPU", remedy="None is needed.")
        ]
    try:
        if resolve_device("auto") == "cpu":
            return [
                Check(
                    name="GPU",
                    state="problem",
                    found="there is one, and torch cannot use it",
                    remedy="Install a torch built for CUDA that fits the driver `nvidia-smi` shows.",
                )
            ]
        from harness.timing.gpu import open_gpu  # noqa: PLC0415 - needs the driver

        with open_gpu() as gpu:
            others = gpu.processes()
            found = f"{gpu.name}, driver {gpu.driver}, processes on it: {len(others)}"
    except InfrastructureError as error:
        return [Check(name="GPU", state="problem", found=error.args[0], remedy=error.remedy)]
    if others:
        remedy = "Measurements wait for their work to end; end what `nvidia-smi` shows, or choose another GPU."
        return [Check(name="GPU", state="note", found=found, remedy=remedy)]
    return [Check(name="GPU", state="ok", found=found)]


def _clocks(_where: Where) -> list[Check]:
    checks = []
    tick = time.get_clock_info("perf_counter").resolution
    steady = time.get_clock_info("perf_counter").monotonic and tick <= 1e-6
    checks.append(
        Check(name="clock", state="ok", found=f"monotonic, resolution {tick:.0e} s")
        if steady
        else Check(name="clock", state="problem", found=f"resolution {tick:.0e} s", remedy="Use another machine.")
    )
    governor = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor is None:
        checks.append(Check(name="CPU speed", state="ok", found="not ours to see (a virtual machine, as a rule)"))
    elif governor == "performance":
        checks.append(Check(name="CPU speed", state="ok", found="governor performance"))
    else:
        remedy = "For narrower intervals: cpupower frequency-set -g performance (as root)."
        checks.append(Check(name="CPU speed", state="note", found=f"governor {governor}", remedy=remedy))
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    found = f"{counted(cores, 'core')}, load {load:.1f}"
    if cores < 2:
        remedy = "Use two cores or more: the clock's process and the timed one share this one."
        checks.append(Check(name="CPU", state="note", found=found, remedy=remedy))
    elif load > _BUSY_LOAD * cores:
        remedy = "Measure when the machine is idle: others' work widens the intervals."
        checks.append(Check(name="CPU", state="note", found=f"{found}: busy", remedy=remedy))
    else:
        checks.append(Check(name="CPU", state="ok", found=found))
    return checks


def _gate(_where: Where) -> list[Check]:
    try:
        return [Check(name="gate", state="ok", found=f"measurements are kept apart by {gate_folder()}")]
    except InfrastructureError as error:
        return [Check(name="gate", state="problem", found=error.args[0], remedy=error.remedy)]


def _disk(where: Where) -> list[Check]:
    checks = []
    for name, folder in (("--out", where.out), ("--worktrees", where.worktrees)):
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        try:
            if existing == folder.absolute():
                require_writable(folder)
            free = shutil.disk_usage(existing).free
        except (StorageError, OSError) as error:
            said, elsewhere = str(error.args[0]), f"Choose another folder with {name}."
            checks.append(Check(name=f"disk ({name})", state="problem", found=said, remedy=elsewhere))
            continue
        found = f"{bytes_text(free)} free at {existing}"
        state: State = "ok" if free >= _ENOUGH_FREE else "note" if free >= _LEAST_FREE else "problem"
        remedy = None if state == "ok" else "Free some space; `harness clean` shows what runs have left behind."
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            state, found, remedy = "problem", f"{existing} cannot be written to", f"Choose another folder with {name}."
        checks.append(Check(name=f"disk ({name})", state=state, found=found, remedy=remedy))
    return checks


def _calibration(_where: Where) -> list[Check]:
    try:
        kind = resolve_device("auto")
    except HarnessError as error:
        return [Check(name="calibration", state="problem", found=error.args[0], remedy=error.remedy)]
    note = calibration_note(kind, "", "latency")
    if note is None:
        return [Check(name="calibration", state="ok", found=f"there is one for the {kind} as it is now")]
    said, _, _ = note.partition(":")
    return [Check(name="calibration", state="note", found=said, remedy="Run `harness calibrate`.")]


def _endpoint(where: Where) -> list[Check]:
    url = where.base_url or os.environ.get("OPENAI_BASE_URL") or None
    key = model_key()
    checks = [
        Check(name="key", state="ok", found="OPENAI_API_KEY is set")
        if key
        else Check(
            name="key",
            state="note",
            found="OPENAI_API_KEY is not set",
            remedy="Recorded sessions play without; for a live model set it, or name an endpoint that needs none.",
        )
    ]
    if url is None and not key:
        found = "none named: nothing to ask"
        remedy = "For a live model: OPENAI_API_KEY, or --base-url URL."
        return [*checks, Check(name="endpoint", state="note", found=found, remedy=remedy)]
    return [*checks, _asked(url, key)]


def _asked(url: str | None, key: str | None) -> Check:
    """Ask the endpoint for its models: that costs nothing, and needs the key to be right."""
    import openai  # noqa: PLC0415 - slow to import

    shown = url or "https://api.openai.com/v1"
    try:
        client = openai.OpenAI(api_key=key or "none", base_url=url, max_retries=0, timeout=_ASK_SECONDS)
        names = [model.id for model in client.models.list().data]
    except openai.AuthenticationError:
        return Check(name="endpoint", state="problem", found=f"{shown} refuses the key", remedy="Set another key.")
    except openai.APIStatusError as error:
        # Some servers have no list of models and answer all the same.
        found = f"{shown} answers with status {error.status_code} when asked for its models"
        state: State = "note" if error.status_code in (404, 405, 501) else "problem"
        return Check(name="endpoint", state=state, found=found, remedy="Check the URL; most end in /v1.")
    except (openai.OpenAIError, ValueError) as error:
        found = f"{shown} does not answer: {str(error).rstrip('.')}"
        remedy = "Start the server, or check the URL and the network (a proxy?)."
        return Check(name="endpoint", state="problem", found=found, remedy=remedy)
    return Check(name="endpoint", state="ok", found=f"{shown} offers {counted(len(names), 'model')}")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None
