"""What a run was asked to do, written down before it starts: enough to go on with it after any crash.

`run.json` holds the options, the seed, who works in which slot, and what the task was made of. `admission.json` holds
what admitting the base found. Both lie beside the journal, which says how far the run came.
"""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from harness import __version__
from harness.errors import UsageError
from harness.fingerprint import Fingerprint
from harness.journal import no_journal
from harness.metric import trusted_scripts
from harness.store import RunFolder
from harness.strict_json import strict_json
from harness.task import LoadedTask
from harness.timing.job import Workload
from harness.verdict import REFERENCE, Device, NoiseFloor, Record
from harness.whole_file import write_atomic

SlotKind = Literal["attempt", "placebo", "reference"]


class Slot(Record):
    """One place in the line-up: an attempt's name, and who works there. `seed` is a placebo's."""

    name: str
    kind: SlotKind = "attempt"
    seed: str | None = None


class Plan(Record):
    """A run's orders.

    Attributes:
        format: of this file.
        options: what `harness run` was asked for, by the names of `RunOptions`.
        seed: the run's secret: inputs and the line-up come from it.
        slots: the line-up, in the order in which the slots are started.
        made_of: digests of what the verdicts rest on, by name: task file, bench, tests, target, harness.
    """

    format: int = 1
    options: dict[str, Any]
    seed: int
    slots: list[Slot]
    made_of: dict[str, str]

    def extended(self, more: int) -> Plan:
        """The plan with `more` attempts at its end, ahead of the reference patch."""
        taken = [int(slot.name) for slot in self.slots if slot.name.isdigit()]
        first = max(taken, default=0) + 1
        added = [Slot(name=f"{number:03d}") for number in range(first, first + more)]
        last = [slot for slot in self.slots if slot.kind == "reference"]
        others = [slot for slot in self.slots if slot.kind != "reference"]
        return self.model_copy(update={"slots": others + added + last})

    def changes(self, made_of: dict[str, str]) -> list[str]:
        """Names of what is not as it was when the run began, sorted."""
        return sorted(
            name for name in self.made_of.keys() | made_of.keys() if self.made_of.get(name) != made_of.get(name)
        )


class Admission(Record):
    """What admitting the base found; see `harness.admission.Base`."""

    format: int = 1
    device: str
    expected: list[str]
    noise: NoiseFloor
    machine: Device
    shown: list[Workload] = Field(default_factory=list)


def line_up(seed: int, attempts: int, placebos: int, *, reference: bool) -> list[Slot]:
    """Who works, in order: placebos at random places among the attempts, the reference patch last.

    Last, and after every attempt is over: no agent can see it, and all share the machine's hour.
    """
    kinds: list[tuple[SlotKind, str | None]] = [("attempt", None)] * attempts
    kinds += [("placebo", f"{seed}:placebo:{number}") for number in range(placebos)]
    random.Random(f"{seed}:line-up").shuffle(kinds)
    slots = [Slot(name=f"{number:03d}", kind=kind, seed=each) for number, (kind, each) in enumerate(kinds, start=1)]
    return [*slots, *([Slot(name=REFERENCE, kind="reference")] if reference else [])]


def made_of(loaded: LoadedTask, base_tree: str) -> dict[str, str]:
    """Digests of everything a verdict of this task rests on, by a name for people."""
    task = loaded.task
    recorded = None if task.recorded is None else loaded.resolve(task.recorded)
    files: dict[str, list[Path]] = {
        "the task file": [loaded.file],
        "the bench": loaded.bench_files,
        "the hidden tests": _there(loaded.hidden_tests),
        "the reference patch": _there(loaded.reference_patch),
        "the recorded session": _there(recorded),
        "the metric's scripts": list(trusted_scripts(task.metric, loaded.file.parent)),
    }
    digests = {name: _digest(Fingerprint.of(paths), loaded.file.parent) for name, paths in files.items() if paths}
    return digests | {"the target": base_tree, "the harness": __version__}


def _there(path: Path | None) -> list[Path]:
    return [] if path is None else [path]


def _digest(found: Fingerprint, folder: Path) -> str:
    """One digest for files and their names below `folder`, wherever that lies."""
    named = {
        path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name: value
        for path, value in found.hashes.items()
    }
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def write_plan(folder: RunFolder, plan: Plan) -> None:
    """Write a run's orders, whole.

    Raises:
        StorageError: they cannot be written.
    """
    write_atomic(folder.plan, strict_json(plan.model_dump(mode="json"), indent=1) + "\n")


def read_plan(folder: RunFolder) -> Plan:
    """A run's orders.

    Raises:
        UsageError: there are none, or this version cannot read them.
        StorageError: it is no run's folder.
    """
    try:
        return Plan.model_validate_json(folder.plan.read_bytes())
    except FileNotFoundError as error:
        if not folder.journal.is_file():
            raise no_journal(folder.journal) from error
        raise UsageError(
            f"{folder.plan} is not there: this run was made by a version that could not resume, or by `verify`.",
            remedy="Start a new run; what this one judged stays on the board.",
        ) from error
    except OSError as error:
        raise UsageError(
            f"{folder.plan}: cannot be read ({error.strerror}).", remedy="Check its permissions."
        ) from error
    except ValidationError as error:
        raise UsageError(
            f"{folder.plan}: it was edited or damaged, or comes from another version of the harness.",
            remedy="Restore it, or start a new run; what this one judged stays on the board.",
        ) from error


def write_admission(folder: RunFolder, admission: Admission) -> None:
    """Write what admitting the base found, whole.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomic(folder.admission, strict_json(admission.model_dump(mode="json")) + "\n")


def read_admission(folder: RunFolder) -> Admission | None:
    """What admitting the base found; None where it was not admitted yet, or that cannot be read: it is done again."""
    try:
        return Admission.model_validate_json(folder.admission.read_bytes())
    except (OSError, ValidationError):
        return None
