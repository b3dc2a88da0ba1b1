"""When to stop looking, and what may be said then.

The interval is looked at after a few numbers of sessions fixed beforehand, each time at the same smaller error
alpha, chosen so that all looks together err in 5 % of measurements (Pocock, Biometrika 64, 1977). What is
published is the interval of the look that ended it, at that look's level: such "repeated confidence intervals"
hold jointly, so that the published one covers in at least 95 % of measurements by whatever rule the looking
stopped (Jennison and Turnbull, JRSS B 51, 1989). An ordinary 95 % interval at a stop would not.
"""

from __future__ import annotations

from typing import Literal

from harness.verdict import Interval

Stopped = Literal["decided", "futile", "exhausted"]
Question = Literal["faster", "not_slower"]


def why_stop(
    speedup: Interval, *, sessions: int, looks: list[int], min_effect: float, question: Question = "faster"
) -> Stopped | None:
    """Whether the measurement is over after `sessions` sessions, of which `speedup` is the interval.

    What is asked decides when there is no more to find out. `faster`: `decided` says that the interval lies wholly
    above 1 + min_effect or wholly below 1 - min_effect; `futile`, that it lies wholly below 1 + min_effect, so no win
    worth a claim can be in it. `not_slower`: `decided` says that the interval lies wholly on one side of
    1 - min_effect, so that a loss worth a claim is shown or shut out. `exhausted`: this was the last look. Between
    looks the answer is always None.
    """
    if sessions not in looks:
        return None
    upper = 1 + min_effect if question == "faster" else 1 - min_effect
    if speedup.low > upper or speedup.high < 1 - min_effect:
        return "decided"
    if question == "faster" and speedup.high < 1 + min_effect:
        return "futile"
    return "exhausted" if sessions == looks[-1] else None
