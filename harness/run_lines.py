"""What `harness list` prints: a line for each run, as a table and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.journal import is_being_written, read_events
from harness.run_state import RunState, fold
from harness.selection import winner
from harness.show import STYLES
from harness.store import RunFolder
from harness.text import interval_text, local_time, safe
from harness.verdict import Interval, Verdict

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class RunLine:
    """A run as `harness list` shows it."""

    folder: RunFolder
    state: RunState
    status: str

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        started, best = self.state.started, self.best
        return {
            "run": self.folder.name,
            "path": str(self.folder.path),
            "task": started.task if started else None,
            "agent": started.agent if started else None,
            "model": started.model if started else None,
            "started_at": started.at if started else None,
            "attempts": started.attempts if started else 0,
            "judged": len(self.judged),
            "best": {"attempt": best.attempt, "status": best.status, "speedup": _plain(best.published)}
            if best
            else None,
            "status": self.status,
            "error": self.state.error,
        }

    @property
    def best(self) -> Verdict | None:
        """The verdict `faster` whose interval begins highest; without one, the last verdict there is."""
        return winner(self.judged) or (self.judged[-1] if self.judged else None)

    @property
    def judged(self) -> list[Verdict]:
        """The verdicts on the agent's attempts; placebos, the reference patch and imported sessions left out."""
        return [verdict for verdict in self.state.verdicts if verdict.was_judged and not verdict.is_control]


def _ending(state: RunState) -> str:
    """How a run that ended ended."""
    if state.interrupted:
        return "interrupted"
    return "failed" if state.error else "out of budget" if state.budget else "finished"


def load_run_line(folder: RunFolder) -> RunLine:
    """A run's line; a damaged journal is a status, for it must not hide the other runs."""
    try:
        state = fold(read_events(folder.journal))
    except HarnessError:
        return RunLine(folder, RunState(), "damaged")
    if state.verdicts and not any(verdict.was_judged for verdict in state.verdicts):
        return RunLine(folder, state, "imported")
    if state.finished:
        return RunLine(folder, state, _ending(state))
    return RunLine(folder, state, "running" if is_being_written(folder.journal) else "killed")


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.model_dump()


def run_table(lines: list[RunLine]) -> Table:
    """Runs, one a line."""
    from rich.table import Table  # noqa: PLC0415

    table = Table()
    for heading in ("run", "task", "agent", "when", "attempts", "best", "status"):
        table.add_column(heading, justify="right" if heading == "attempts" else "left", overflow="fold")
    for line in lines:
        started, best = line.state.started, line.best
        result = best.status.replace("_", " ") if best else ""
        if best and best.status == "faster" and best.published:
            result = interval_text(best.published)
        table.add_row(
            safe(line.folder.name),
            safe(started.task if started else "?"),
            safe(" ".join(filter(None, (started.agent, started.model))) if started else "?"),
            safe(local_time(started.at) if started else "?"),
            f"{len(line.judged)}/{started.attempts}" if started else "?",
            safe(result, STYLES[best.status] if best else ""),
            safe(line.status, "" if line.status == "finished" else "yellow"),
        )
    return table
