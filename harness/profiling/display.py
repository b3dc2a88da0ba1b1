"""`harness hotspots` for people: a table, and the command that goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.printing import plain_table
from harness.text import amount, counted, safe

if TYPE_CHECKING:
    from rich.console import Group

    from harness.intervals import Rate
    from harness.profiling.hotspots import Hotspots
    from harness.verdict import Interval


def hotspot_table(found: Hotspots, rows: int) -> Group:
    """The functions, the dearest first."""
    from rich.console import Group  # noqa: PLC0415

    table = plain_table()
    for heading in ("function", "where", "own share [95 %]", "whole", "calls", "own 2x", "own for nothing"):
        left = heading in ("function", "where")
        table.add_column(heading, justify="left" if left else "right", overflow="fold", no_wrap=not left)
    for each in found.hotspots[:rows]:
        table.add_row(
            safe(each.function),
            safe(f"{each.file}:{each.line}"),
            _share(each.own),
            f"{each.whole.estimate:.1%}",
            "?" if each.calls is None else amount(each.calls),
            _gain(each.twice),
            "?" if each.free is None else _gain(each.free),
        )
    left_out = len(found.hotspots) - rows
    lines = [f"({left_out} more with smaller shares; --top {len(found.hotspots)} shows them)"] if left_out > 0 else []
    lines += [
        "",
        f"{found.seconds:.2f} s on its own, {found.slowdown:.2f} times as long while sampled; {found.repeat} sampled "
        f"runs, {counted(found.processes, 'Python process', 'Python processes')}, "
        f"{max(found.outside, 0.0):.0%} in no function of the repository.",
        "own: in the function and what it calls outside the repository; whole: all that it calls. The last two "
        "columns: how many times as fast the command would be (Amdahl).",
    ]
    if found.init is not None:
        lines += ["", "A task of the first that can be one:", f"  {found.init}"]
    else:
        lines += ["", "None of them is a plain function at the top of a module, which `harness init` drafts tasks of."]
    return Group(table, safe("\n".join(lines), multiline=True))


def _share(share: Rate) -> str:
    return f"{share.estimate:.1%} [{share.low:.1%}, {share.high:.1%}]"


def _gain(gain: Interval) -> str:
    return f"{gain.estimate:.2f}x [{gain.low:.2f}, {gain.high:.2f}]"
