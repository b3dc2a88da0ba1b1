"""An ablation for people: each part with what it is worth, and the smallest patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.ablation.records import Ablation, Outcome, PartFinding
from harness.printing import plain_table
from harness.show import highlighted, shown_path
from harness.text import counted, interval_text, safe, shortened
from harness.verdict import Interval

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Group, RenderableType

MOST_LINES = 16
_WORDS: dict[Outcome, tuple[str, str]] = {
    "carries": ("carries gain", "bold green"),
    "no_difference": ("no difference", "yellow"),
    "undetermined": ("undetermined", "magenta"),
    "needed": ("needed", "bold"),
    "not_judged": ("not judged", "bold magenta"),
}


def ablation_shown(record: Ablation, folder: Path) -> Group:
    """Every part with its lines, a table of all, and what is left of the patch."""
    from rich.console import Group  # noqa: PLC0415 - rich is slow to import

    parts: list[RenderableType] = []
    for finding in record.findings:
        parts += [*_part(finding), safe("")]
    parts += [_table(record), *_conclusion(record, folder)]
    return Group(*parts)


def _part(finding: PartFinding) -> list[RenderableType]:
    part = finding.part
    word, style = _WORDS[finding.outcome]
    head = safe(f"{part.name}  {_where(finding)}  +{part.added} -{part.removed}  ", "bold")
    head.append(word, style)
    lines = part.text.splitlines()
    shown = "\n".join(lines[:MOST_LINES])
    more = [safe(f"... and {counted(len(lines) - MOST_LINES, 'more line')}", "dim")] if len(lines) > MOST_LINES else []
    diff = [highlighted(shown)] if shown else [safe("(an empty file)", "dim")]
    return [head, safe(finding.sentence, multiline=True), *diff, *more]


def _where(finding: PartFinding) -> str:
    part = finding.part
    if part.new_file:
        return f"{part.path} (new file)"
    return f"{part.path}:{part.line}" + (f" {shortened(part.heading, 50)}" if part.heading else "")


def _table(record: Ablation) -> RenderableType:
    table = plain_table()
    table.add_column("part")
    table.add_column("where", overflow="fold")
    table.add_column("lines", no_wrap=True)
    table.add_column("left out alone", no_wrap=True)
    table.add_column("speed without it", justify="right", no_wrap=True)
    table.add_column("share of gain", justify="right", no_wrap=True)
    table.add_column("smallest patch")
    for finding in record.findings:
        part, loss = finding.part, finding.loss
        word, style = _WORDS[finding.outcome]
        table.add_row(
            safe(part.name),
            safe(f"{part.path} (new)" if part.new_file else f"{part.path}:{part.line}"),
            f"+{part.added} -{part.removed}",
            safe(word, style),
            safe(interval_text(loss.ratio)) if loss is not None else "",
            safe(_share(finding.share)) if finding.share is not None and finding.outcome == "carries" else "",
            "keeps it" if finding.kept else "without it",
        )
    return table


def _share(share: Interval) -> str:
    return f"{share.estimate:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _conclusion(record: Ablation, folder: Path) -> list[RenderableType]:
    lines: list[RenderableType] = [
        safe(
            "\nThe intervals of all parts hold together with 95 %; a loss that is for certain less than "
            f"{record.min_effect or 0:.1%} counts as none. Shares of parts that work together do not add up.",
            "dim",
            multiline=True,
        )
    ]
    needed = [finding.part.name for finding in record.findings if finding.outcome == "needed"]
    if needed and not any(finding.outcome == "carries" for finding in record.findings):
        finer = "" if record.by == "line-group" else " --by line-group looks inside them."
        which = f"{', '.join(needed)}, none of which can be left out alone"
        lines.append(safe(f"The gain lies in what is needed: {which}.{finer}"))
    lines += [safe(note, "yellow") for note in record.notes]
    if record.limit_reached:
        lines.append(safe(f"The search ended at --limit {record.limit}: a smaller patch may exist.", "yellow"))
    smallest = record.smallest
    if smallest is None:
        return lines
    if smallest.against_whole is None:
        lines.append(safe("Nothing can be left out: the whole patch is the smallest that keeps the gain.", "bold"))
    else:
        lines.append(
            safe(
                f"Without {', '.join(smallest.left_out)} the gain stays: {interval_text(smallest.against_whole)} as "
                f"fast as the whole patch, {interval_text(smallest.speedup)} as fast as the base, in fresh processes.",
                "bold green",
            )
        )
    size = f"+{smallest.insertions} -{smallest.deletions}"
    lines.append(safe(f"smallest patch: {shown_path(folder / smallest.path)} ({size})"))
    return lines
