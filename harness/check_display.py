"""`harness check` for people: a line for each thing tried, as it is tried, and a table at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness.findings import CheckFinding, CheckReport, Watch
from harness.printing import plain_table
from harness.text import duration_text, printable, safe

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

_WORDS = {True: "passed", False: "FAILED", None: "left out"}
_STYLES = {True: "green", False: "bold red", None: "yellow"}


def watching_checks() -> Watch:
    """Writes lines to stderr."""
    return Watch(begun=lambda title: _write(f"{title} ..."), note=lambda text: _write(f"  {text}"), done=_done)


def _done(finding: CheckFinding) -> None:
    message = printable(finding.message, multiline=True).replace("\n", "\n    ")
    _write(f"  {_WORDS[finding.passed]}, {finding.seconds:.0f} s: {message}", clean=True)


def _write(line: str, *, clean: bool = False) -> None:
    print(line if clean else printable(line), file=sys.stderr, flush=True)


def report_table(report: CheckReport) -> Group:
    """Every finding, the mutants that survived, and the conclusion."""
    from rich.console import Group  # noqa: PLC0415

    table = plain_table()
    for heading in ("check", "result", "s", "found"):
        table.add_column(heading, justify="right" if heading == "s" else "left", overflow="fold")
    for finding in report.findings:
        word = safe(_WORDS[finding.passed], _STYLES[finding.passed])
        table.add_row(safe(finding.check), word, f"{finding.seconds:.0f}", safe(finding.message, multiline=True))
    parts: list[RenderableType] = [table]
    survivors = report.mutants.survivors if report.mutants else []
    if survivors:
        parts.append(safe("\nMutants that nothing noticed (some may make no difference at all):"))
    for survivor in survivors:
        changed = [line for line in survivor.diff.splitlines() if not line.startswith(("---", "+++", "@@"))]
        lines = [f"{survivor.file}:{survivor.line} ({survivor.kind})", *(f"  {line}" for line in changed)]
        parts.append(safe("\n".join(lines), multiline=True))
    conclusion = "admitted" if report.admitted else "refused"
    failed = [finding.check for finding in report.findings if finding.passed is False]
    because = f": {', '.join(failed)}" if failed else ""
    words = f"\n{report.task}: {conclusion}{because} ({duration_text(report.seconds)})"
    parts.append(safe(words, "bold green" if report.admitted else "bold red", multiline=True))
    return Group(*parts)
