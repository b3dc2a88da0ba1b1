"""Calibrations kept on this machine, and what a run needs to know of them: is there one, does it still hold?"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from pathlib import Path

from pydantic import Field, ValidationError

from harness import __version__
from harness.calibration.summary import Summary
from harness.calibration.trials import Trial
from harness.state import state_folder
from harness.timing.job import Protocol
from harness.timing.machine import describe_device
from harness.verdict import Device, Record
from harness.whole_file import make_folder, write_atomic

BUILT_IN = "built-in"
_DIGITS = 12


class MachineFingerprint(Record):
    """What a calibration holds for: when any of this changes, it has to be made again."""

    device: str
    cpu: str
    cores: int
    memory_gb: int
    kernel: str
    python: str
    torch: str
    gpu: str
    driver: str
    protocol: str
    harness: str

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that stand for all of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:_DIGITS]

    def changes_since(self, other: MachineFingerprint) -> list[str]:
        """What is not as it was then: `kernel 5.15.0 -> 6.1.0`."""
        now, then = self.model_dump(), other.model_dump()
        return [f"{key} {then[key]} -> {value}" for key, value in now.items() if then[key] != value]


class Calibration(Record):
    """A calibration as it is kept.

    Attributes:
        format: of this file.
        bench: a task's name, or `built-in`.
        mode: the metric's mode.
        fingerprint: of the machine.
        device: the machine at length.
        protocol: through which every trial went.
        started_at: ISO 8601, UTC.
        seconds: wall time of all trials.
        planned: how many trials were asked for; there are fewer where time ran out or somebody pressed Ctrl-C.
        summary: what they say.
        trials: the raw data.
    """

    format: int = 1
    bench: str
    mode: str
    fingerprint: MachineFingerprint
    device: Device
    protocol: Protocol
    started_at: str
    seconds: float
    planned: int
    summary: Summary
    trials: list[Trial] = Field(default_factory=list)


def fingerprint(kind: str) -> MachineFingerprint:
    """This machine's, for measurements on a device of `kind` (`cpu` or `cuda`). Imports no torch."""
    machine = describe_device("cpu")
    protocols = [Protocol()] if kind == "cpu" else [Protocol().on_gpu(mode) for mode in ("latency", "device")]
    gpu, driver = _gpu() if kind == "cuda" else ("", "")
    return MachineFingerprint(
        device=kind,
        cpu=machine.name,
        cores=machine.cores,
        memory_gb=round(machine.memory_gb),
        kernel=platform.release(),
        python=machine.versions["python"],
        torch=machine.versions.get("torch", ""),
        gpu=gpu,
        driver=driver,
        protocol=hashlib.sha256("".join(each.model_dump_json() for each in protocols).encode()).hexdigest()[:_DIGITS],
        harness=__version__,
    )


def _gpu() -> tuple[str, str]:
    """Name and driver version of the first GPU, as its driver says."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return "", ""
    name, _, driver = told.partition("\n")[0].partition(",")
    return name.strip(), driver.strip()


def folder() -> Path:
    """Where calibrations are kept."""
    return state_folder("calibration")


def path_of(made_for: MachineFingerprint, bench: str, mode: str) -> Path:
    """The file of one machine's calibration with one bench in one mode."""
    return folder() / f"{made_for.digest}-{bench}-{mode}.json"


def save(calibration: Calibration) -> Path:
    """Keep a calibration in place of the one of the same machine and bench, unless that one has more trials.

    Returns:
        The file, which holds the longer of the two.

    Raises:
        StorageError: the state folder cannot be written.
    """
    path = path_of(calibration.fingerprint, calibration.bench, calibration.mode)
    before = _read(path)
    if before is not None and len(before.trials) > len(calibration.trials):
        return path
    make_folder(path.parent)
    write_atomic(path, calibration.model_dump_json(indent=1) + "\n")
    return path


def kept(kind: str, bench: str, mode: str) -> Calibration | None:
    """This machine's calibration with exactly this bench and mode; None where it has none."""
    return _read(path_of(fingerprint(kind), bench, mode))


def find(kind: str, task: str, mode: str) -> Calibration | None:
    """This machine's calibration with a task, else with the built-in bench; None where it has neither.

    The built-in bench has no command of its own: there its calls' latency stands in.
    """
    return kept(kind, task, mode) or kept(kind, BUILT_IN, "latency" if mode == "command" else mode)


def stored_floor(kind: str, task: str, mode: str) -> float:
    """The noise floor that a run's smallest claim may not go below, as a fraction; 0 where none is known."""
    found = find(kind, task, mode)
    return (found.summary.floor or 0.0) if found is not None else 0.0


def calibration_note(kind: str, task: str, mode: str) -> str | None:
    """One line for whoever starts a run on a machine that was never calibrated, or is another than it was."""
    if find(kind, task, mode) is not None:
        return None
    here = fingerprint(kind)
    before = [each.fingerprint for each in _all() if each.fingerprint.device == kind]
    remedy = "`harness calibrate` measures its false-positive rate and noise floor."
    if here in before:
        return f"This machine has not been calibrated in mode {mode}: {remedy}"
    if not before:
        return f"This machine has never been calibrated: {remedy}"
    changes = min((here.changes_since(each) for each in before), key=len)
    if any(change.startswith("cpu ") or change.startswith("gpu ") for change in changes):
        return f"This machine has never been calibrated (another with the same home has): {remedy}"
    return f"This machine has changed since it was calibrated ({', '.join(changes)}): {remedy}"


def _all() -> list[Calibration]:
    return [found for path in sorted(folder().glob("*.json")) if (found := _read(path)) is not None]


def _read(path: Path) -> Calibration | None:
    """A stored calibration; None for one that is not there or that this version cannot read."""
    try:
        return Calibration.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None
