"""The attempts of runs, one after the other, as exports read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.journal import read_events
from harness.report.material import is_plain
from harness.run_state import RunState, fold
from harness.show import patch_file
from harness.store import AttemptFolder, RunFolder
from harness.verdict import Verdict


@dataclass(frozen=True)
class JudgedAttempt:
    """An attempt that has a verdict.

    Attributes:
        run: its run.
        state: what that run's journal says.
        verdict: on it.
    """

    run: RunFolder
    state: RunState
    verdict: Verdict

    @property
    def folder(self) -> AttemptFolder:
        """Its folder."""
        return self.run.attempt(self.verdict.attempt or "")

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.run.name}/{self.verdict.attempt}"

    def patch(self) -> bytes | None:
        """The diff that was judged; empty where the agent left none, None where one was judged and is gone."""
        path = patch_file(self.verdict, self.folder)
        if path is not None and is_plain(path):
            return path.read_bytes()
        return b"" if self.verdict.patch is None else None


@dataclass
class Export:
    """What an export came to.

    Attributes:
        form: the name of the form.
        where: a file, a folder or a server.
        attempts: how many are in it.
        rows: how many lines, rows or files it has.
        left_out: a sentence for each thing that could not be exported.
        notes: what else is worth knowing, a sentence each.
        counts: of what the form counts apart.
    """

    form: str
    where: str
    attempts: int = 0
    rows: int = 0
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def attempts_of(runs: Iterable[RunFolder], export: Export, *, controls: bool) -> Iterator[JudgedAttempt]:
    """Every attempt with a verdict, run by run; a run that cannot be read is named in `export` and hides no other.

    Args:
        runs: where to look.
        export: told of what is left out.
        controls: whether placebos and the reference patch count.
    """
    for run in runs:
        try:
            state = fold(read_events(run.journal))
        except HarnessError as error:
            export.left_out.append(str(error))
            continue
        for verdict in state.verdicts:
            if controls or not verdict.is_control:
                yield JudgedAttempt(run, state, verdict)
