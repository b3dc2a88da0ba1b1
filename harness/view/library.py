"""The runs of a folder, read once and then only where they have grown."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.events import Event
from harness.report.material import AttemptMaterial, RunMaterial, read_run
from harness.run_lines import RunLine
from harness.store import RunFolder, find_runs
from harness.watch import Tail

_KEPT_RUNS = 200


@dataclass
class _Read:
    """A run as far as it was read. `problem` is why it cannot be read further."""

    tail: Tail
    events: list[Event] = field(default_factory=list)
    material: RunMaterial | None = None
    problem: str | None = None


class Library:
    """Finds and reads the runs of one folder. Names come from addresses: they are looked up, never made a path."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._read: dict[str, _Read] = {}
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where the runs are."""
        return self._out

    def runs(self) -> list[RunFolder]:
        """All runs, newest first."""
        return find_runs(self._out)

    def find(self, name: str) -> RunFolder | None:
        """The run of that name."""
        return next((folder for folder in self.runs() if folder.name == name), None)

    def lines(self) -> list[RunLine]:
        """All runs as the list of runs shows them; a damaged one is a line too."""
        found = []
        for folder in self.runs():
            read = self._up_to_date(folder)
            state = read.material.state if read.material else None
            if state is None or read.material is None:
                from harness.run_state import RunState  # noqa: PLC0415

                found.append(RunLine(folder, RunState(), "damaged"))
            else:
                found.append(RunLine(folder, state, read.material.status))
        return found

    def run(self, folder: RunFolder) -> RunMaterial:
        """A run as it stands.

        Raises:
            HarnessError: its journal cannot be read.
        """
        read = self._up_to_date(folder)
        if read.material is None:
            raise HarnessError(read.problem or f"{folder.name} cannot be read.")
        return read.material

    def attempt(self, folder: RunFolder, name: str) -> AttemptMaterial | None:
        """An attempt by its name."""
        return next((each for each in self.run(folder).attempts if each.name == name), None)

    def _up_to_date(self, folder: RunFolder) -> _Read:
        # One lock for all: two readers of one tail would each get half of it.
        with self._lock:
            read = self._read.setdefault(folder.name, _Read(Tail(folder.journal)))
            began = read.tail.offset
            try:
                new = read.tail.read()
            except HarnessError as error:
                read.problem, read.material = str(error), None
                self._read.pop(folder.name)
                return read
            if read.tail.offset < began:
                read.events = []
            read.events += new
            if read.material is None or new or read.material.status == "running":
                read.material = read_run(folder, read.events)
            while len(self._read) > _KEPT_RUNS:
                self._read.pop(next(iter(self._read)))
            return read
