"""A calibration for people: tables, and a picture of where the estimates lie; on a terminal, as text and as SVG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from harness.calibration.store import Calibration
from harness.calibration.summary import LEAST_TRIALS, Rate, Row
from harness.printing import plain_table
from harness.text import counted, duration_text, safe

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.table import Table
    from rich.text import Text

_BARS = " ▁▂▃▄▅▆▇█"
_COLUMNS = 64
_WIDTH = 120


def rendered(calibration: Calibration) -> Group:
    """Machine, tables and picture."""
    from rich.console import Group  # noqa: PLC0415 - rich is slow to import

    machine, done = calibration.device, len(calibration.trials)
    head = (
        f"{machine.name}, {counted(machine.cores, 'core')}, {calibration.fingerprint.kernel}"
        f"{f', {calibration.fingerprint.gpu}' if calibration.fingerprint.gpu else ''}; "
        f"bench {calibration.bench}, mode {calibration.mode}"
    )
    short = "" if done >= calibration.planned else f", cut short: {calibration.planned} were planned"
    parts: list[RenderableType] = [
        safe(head, "bold"),
        safe(f"{counted(done, 'trial')} in {duration_text(calibration.seconds)}{short}"),
        _overall(calibration.summary.rows),
        _workloads(calibration),
        safe(_in_words(calibration), multiline=True),
        safe("Where the estimates lie (^ marks the truth):"),
        *_picture(calibration),
    ]
    return Group(*parts)


def as_text(calibration: Calibration) -> str:
    """The same as plain text, lines of at most 120 characters."""
    console = _recorder()
    console.print(rendered(calibration))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines()).strip() + "\n"


def as_svg(calibration: Calibration) -> str:
    """The same as a picture."""
    console = _recorder()
    console.print(rendered(calibration))
    return console.export_svg(title=f"harness calibrate: {calibration.device.name}")


def as_markdown(calibration: Calibration, command: str) -> str:
    """A report that stands beside `calibration.json` and `calibration.svg`."""
    return (
        f"# Calibration: {calibration.device.name}\n\n"
        f"Made with `{command}` on {calibration.started_at[:10]}, harness {calibration.fingerprint.harness}. "
        "Raw data: [calibration.json](calibration.json), with every trial's seed and session values. "
        "Picture: [calibration.svg](calibration.svg).\n\n"
        f"```text\n{as_text(calibration)}```\n"
    )


def _recorder() -> Console:
    from rich.console import Console  # noqa: PLC0415

    return Console(record=True, width=_WIDTH, file=io.StringIO(), highlight=False, force_terminal=True)


def _table(first: str, *headings: str) -> Table:
    table = plain_table()
    table.add_column(first)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _overall(rows: list[Row]) -> Table:
    table = _table(
        "arms", "trials", "refused", "median [5 %, 95 %]", "half-width", "excludes 1 [95 %]", "covers", "claimed", "s"
    )
    for row in rows:
        table.add_row(
            row.name,
            str(row.trials),
            str(row.refused),
            f"{row.middle:.4f} [{row.low:.4f}, {row.high:.4f}]",
            f"{row.half_width:.2%}",
            _rate(row.seen),
            f"{row.covered.share:.1%}",
            f"{row.claimed.share:.1%}",
            f"{row.seconds:.1f}",
        )
    return table


def _workloads(calibration: Calibration) -> Table:
    table = _table("A/A by workload", "µs a call", "half-width", "excludes 1 [95 %]", "95 % of |x - 1|")
    for row in calibration.summary.workloads:
        table.add_row(
            safe(row.name),
            f"{calibration.summary.base_us[row.name]:,.1f}",
            f"{row.half_width:.2%}",
            _rate(row.seen),
            f"{row.off:.2%}",
        )
    return table


def _rate(rate: Rate) -> str:
    return f"{rate.count}/{rate.of} = {rate.share:.1%} [{rate.low:.1%}, {rate.high:.1%}]"


def _in_words(calibration: Calibration) -> str:
    rate, floor = calibration.summary.false_positives, calibration.summary.floor
    said = ["A false positive is an A/A interval that excludes 1; power is an injected change that is seen."]
    if rate is not None:
        said.append(f"False positives: {_rate(rate)}.")
    if floor is None:
        said.append(f"No noise floor: that takes {LEAST_TRIALS} A/A trials.")
    else:
        said.append(f"Noise floor: 95 % of A/A estimates lie within {floor:.2%} of 1; no smaller effect is claimed.")
    said += [
        f"Power, {row.name}: {_rate(row.seen)}{f', {row.wrong_way} the wrong way round' if row.wrong_way else ''}; "
        f"covers the truth: {_rate(row.covered)}."
        for row in calibration.summary.rows
        if row.truth != 1
    ]
    return "\n".join(said)


def _picture(calibration: Calibration) -> list[Text]:
    """A histogram a condition, all on one axis."""
    estimates = [trial.speedup.estimate for trial in calibration.trials if trial.speedup is not None]
    rows = calibration.summary.rows
    if not estimates:
        return []
    # One wild trial must not squeeze the rest into a column: the axis ends at the widest row's 5th and 95th.
    left = min([row.low for row in rows] + [row.truth for row in rows])
    right = max([row.high for row in rows] + [row.truth for row in rows])
    margin = max(right - left, 1e-6) * 0.1
    left, right = left - margin, right + margin

    def column(value: float) -> int:
        return min(max(int((value - left) / (right - left) * _COLUMNS), 0), _COLUMNS - 1)

    lines = []
    for row in rows:
        counts = [0] * _COLUMNS
        for trial in calibration.trials:
            if trial.speedup is not None and trial.condition.name == row.name:
                counts[column(trial.speedup.estimate)] += 1
        most = max(counts)
        bars = "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts)
        lines.append(safe(f"{row.name:>12} {bars}", "cyan"))
        lines.append(safe(" " * (13 + column(row.truth)) + "^"))
    lines.append(safe(" " * 13 + f"{left:<{_COLUMNS - 6}.3f}{right:>6.3f}"))
    return lines
