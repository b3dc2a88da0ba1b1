"""Giving a run a person's hint, from another terminal or when the run is over."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from harness.agents import UNREADING
from harness.errors import UsageError
from harness.find_run import find_run
from harness.hints import Hint, add_hint
from harness.journal import is_being_written, read_events
from harness.plan import read_plan
from harness.run_state import fold
from harness.text import counted
from harness.verdict import Record


class Steered(Record):
    """What became of a hint.

    Attributes:
        run: the run's name.
        hint: it, as it was kept.
        state: whether the run is under way, over, or has been stopped with attempts to go.
        waiting: planned attempts that had not started, and will be given the hint.
        agent: whose prompts they are.
    """

    run: str
    hint: Hint
    state: Literal["running", "stopped", "over"]
    waiting: int
    agent: str

    @property
    def outlook(self) -> str:
        """One sentence on who will read it."""
        if self.agent in UNREADING:
            return f"Kept, but nobody will read it: the agent {self.agent} does the same whatever its prompt says."
        what = counted(self.waiting, "attempt that has", "attempts that have")
        if self.state == "running" and self.waiting:
            return f"Kept for the {what} not started yet. What is under way goes on without it."
        if self.state == "running":
            return f"Kept. All attempts are under way: `harness resume {self.run} -n N` adds some that read it."
        if self.state == "stopped":
            return f"Kept. `harness resume {self.run}` goes on with the {what} not started yet."
        return f"Kept. The run is over: `harness resume {self.run} -n N` adds attempts that read it."


def steer(out: Path, run: str, text: str) -> Steered:
    """Keep a person's hint with a run.

    Args:
        out: the folder of runs.
        run: a run's name or folder, or `latest`.
        text: what to tell the attempts that start from now on.

    Raises:
        UsageError: there is no such run, nobody can go on with it, or the hint is empty or too long.
        StorageError: it cannot be written.
    """
    folder = find_run(out, run)
    try:
        plan = read_plan(folder)
    except UsageError as error:
        raise UsageError(
            f"The run {folder.name} has no plan: nobody goes on with it, so nobody would read a hint.",
            remedy="Only runs of `harness run` can be steered; `verify`, `replay` and `import` make one attempt.",
        ) from error
    state = fold(read_events(folder.journal))
    running = is_being_written(folder.journal)
    hint = add_hint(folder, text)
    waiting = sum(slot.kind == "attempt" and slot.name not in state.attempts for slot in plan.slots)
    ended = "stopped" if waiting else "over"
    return Steered(
        run=folder.name,
        hint=hint,
        state="running" if running else ended,
        waiting=waiting,
        agent=state.started.agent if state.started is not None else "?",
    )
