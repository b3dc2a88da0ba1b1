"""What `harness show` prints: an attempt with its verdict and workloads, as rich renderables and as JSON."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.bars import WorkloadBars
from harness.brief_view import brief_json, brief_parts
from harness.errors import StorageError
from harness.evidence import patch_statistics, timeline
from harness.printing import plain_table
from harness.run_state import AttemptState, RunState
from harness.store import AttemptFolder
from harness.text import amount, counted, duration_text, interval_text, printable, safe
from harness.verdict import Cost, Verdict, WorkloadResult
from harness.verdict_folder import read_state

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.syntax import Syntax
    from rich.table import Table
    from rich.text import Text

STYLES = {
    "faster": "bold green",
    "same": "yellow",
    "slower": "red",
    "incorrect": "bold red",
    "build_failed": "bold red",
    "rejected": "bold red",
    "no_patch": "magenta",
    "agent_failed": "magenta",
    "infra_failed": "bold magenta",
}
DIFF_CHARACTERS = 400_000


def shown_path(path: Path) -> str:
    """A path as a person in this folder would type it: relative where it lies below, absolute elsewhere."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would replace links by what they point to
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def headline(verdict: Verdict) -> Text:
    """One line: attempt, status, what is published of it, cause."""
    line = safe(verdict.attempt or verdict.task)
    line.append("  ")
    if not verdict.was_judged:
        line.append("not judged", "cyan")
        return line
    line.append(verdict.status.replace("_", " "), STYLES[verdict.status])
    if verdict.published:
        line.append(f"  {interval_text(verdict.published)}")
    if picked := picked_text(verdict):
        line.append(f", {picked}")
    if verdict.cause:
        line.append_text(safe(f"  ({verdict.cause})"))
    return line


def workload_table(workloads: list[WorkloadResult]) -> Table:
    """Times of base and candidate, and their ratio, one workload a line."""
    # Narrow enough for 80 columns: a folded interval is hard to read.
    table = plain_table()
    table.add_column("workload", overflow="fold")
    table.add_column("agent")
    for heading in ("base µs", "patch µs", "speedup [95 %]"):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in workloads:
        apart = item.speedup.low > 1 or item.speedup.high < 1
        style = "" if not apart else "green" if item.speedup.low > 1 else "red"
        table.add_row(
            safe(item.name),
            "held out" if item.held_out else "shown",
            _microseconds(item.base_us),
            _microseconds(item.candidate_us),
            safe(interval_text(item.speedup), style),
        )
    return table


def _microseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cost_text(cost: Cost) -> str:
    """What the agent used up, in one line."""
    price = "price unknown" if cost.usd is None else f"${cost.usd:.2f}"
    tokens = f"{amount(cost.tokens.input)} tokens in, {amount(cost.tokens.output)} out"
    if cost.tokens.estimated:
        tokens += f" ({amount(cost.tokens.estimated)} of them estimated)"
    return f"{counted(cost.steps, 'step')}, {tokens}, {price}, {duration_text(cost.seconds)}"


def patch_file(verdict: Verdict, attempt: AttemptFolder) -> Path | None:
    """Where this verdict's patch is, or None when there is no such file in its run's folder.

    The path stands in the journal, and a journal may come from elsewhere: it leads nowhere else.
    """
    named = [attempt.run.path / verdict.patch.path] if verdict.patch else []
    home = attempt.run.path.resolve()
    found = (path for path in [*named, attempt.patch] if path.is_file() and path.resolve().is_relative_to(home))
    return next(found, None)


@dataclass(frozen=True)
class Shown:
    """An attempt as `harness show` knows it: its folder, how far it came, and its run."""

    folder: AttemptFolder
    attempt: AttemptState
    run: RunState

    @property
    def files(self) -> list[Path]:
        """The files the attempt left."""
        return [path for path in self.folder.files.values() if path.is_file()]

    def diff(self) -> str:
        """The patch, as text; empty when there is none.

        Raises:
            StorageError: it cannot be read.
        """
        verdict = self.attempt.verdict
        path = patch_file(verdict, self.folder) if verdict else self.folder.patch
        if path is None or not path.is_file():
            return ""
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise StorageError(f"Cannot read {path}: {error.strerror}.") from error

    def as_json(self, *, diff: bool) -> dict[str, Any]:
        """One JSON document: how far the attempt came, its verdict, its files and, when asked for, the diff."""
        verdict = self.attempt.verdict
        document = {
            "run": self.folder.run.name,
            "attempt": self.folder.name,
            "phase": self.attempt.phase,
            "steps": self.attempt.steps,
            "brief": brief_json(self.folder),
            "verdict": verdict.model_dump() if verdict else None,
            "files": {path.name: str(path) for path in self.files},
        }
        return {**document, "diff": self.diff()} if diff else document

    def render(self, *, diff: bool) -> Group:
        """The same for a person."""
        from rich.console import Group  # noqa: PLC0415

        from harness.ablation.glance import ablations  # noqa: PLC0415 - it needs this module

        verdict = self.attempt.verdict
        parts: list[RenderableType] = [safe(f"{self.folder.run.name}/{self.folder.name}", "bold")]
        if verdict is None:
            phase = self.attempt.doing or "not started"
            parts.append(safe(f"no verdict yet: {phase}, {counted(self.attempt.steps, 'agent step')}"))
        else:
            parts += verdict_parts(verdict)
        parts += brief_parts(self.folder)
        parts += [*patch_statistics(self.diff()), *ablations(self.folder), *timeline(self.folder.trajectory)]
        if self.files:
            parts.append(
                safe("files    " + "\n         ".join(shown_path(path) for path in self.files), multiline=True)
            )
        if diff:
            parts.append(highlighted(self.diff()))
        return Group(*parts)


def verdict_parts(verdict: Verdict) -> list[RenderableType]:
    """A verdict with its evidence, a line for each fact."""
    who = verdict.agent + (f", {verdict.model}" if verdict.model else "")
    parts: list[RenderableType] = [headline(verdict), safe(verdict.message, multiline=True), safe(f"agent    {who}")]
    if verdict.workloads:
        noise = verdict.timing.noise.speedup if verdict.timing and verdict.timing.noise else None
        parts.append(WorkloadBars(verdict.workloads, verdict.published, noise))
    if verdict.timing:
        timing = verdict.timing
        confirmed = interval_text(timing.confirmation) if timing.confirmation else "not needed"
        parts.append(safe(f"timing   selection {interval_text(timing.selection)}, confirmation {confirmed}"))
        if timing.adjusted:
            parts.append(safe(f"         {best_of_text(verdict)}, an interval that allows for having been picked"))
        parts += [safe(f"FLAG     {flag}", "yellow") for flag in timing.flags]
        if timing.noise:
            floor = f"{interval_text(timing.noise.speedup)}, smallest claim {timing.min_effect:.0%}"
            parts.append(safe(f"noise    base against itself {floor}"))
    if verdict.patch:
        patch = verdict.patch
        files = ", ".join(patch.files)
        parts.append(safe(f"patch    +{patch.insertions} -{patch.deletions} in {files} (sha256 {patch.sha256[:12]})"))
    if verdict.device:
        where = f" on node {verdict.device.node}" if verdict.device.node else ""
        device = f"{verdict.device.name} ({verdict.device.kind}){where}"
        parts.append(safe(f"device   {device}, sandbox {verdict.sandbox}"))
    if verdict.origin:
        parts.append(safe(f"origin   {verdict.origin}"))
    parts.append(safe(f"base     {verdict.base_commit[:12]}"))
    parts.append(safe(f"cost     {cost_text(verdict.cost)}"))
    return parts


def picked_text(verdict: Verdict) -> str:
    """`best of 3` for a run's best attempt, whose published interval is wider than its own; empty for any other."""
    timing = verdict.timing
    return "" if timing is None or timing.adjusted is None else f"best of {timing.chosen_from}"


def best_of_text(verdict: Verdict) -> str:
    """The interval of a run's best attempt, as wide as having been picked makes it; empty for any other."""
    picked = picked_text(verdict)
    return f"{picked}: {interval_text(verdict.published)}" if picked and verdict.published else ""


def highlighted(diff: str) -> Syntax | Text:
    """A diff with its colours; a huge one is cut, and says so."""
    from rich.syntax import Syntax  # noqa: PLC0415 - brings in pygments

    if not diff:
        return safe("There is no patch.")
    text = printable(diff[:DIFF_CHARACTERS], multiline=True)
    if len(diff) > DIFF_CHARACTERS:
        text += f"\n... {len(diff) - DIFF_CHARACTERS} more characters in the file\n"
    return Syntax(text, "diff", theme="ansi_dark", background_color="default", word_wrap=True)


def load_shown(folder: AttemptFolder) -> Shown:
    """Read an attempt back from its run's journal.

    Raises:
        HarnessError: the journal cannot be read or is damaged.
    """
    run = read_state(folder.run.path)
    return Shown(folder, run.attempts.get(folder.name, AttemptState()), run)
