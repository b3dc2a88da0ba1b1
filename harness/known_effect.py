"""A slowdown of known size, put in on purpose: a clock that does not give it back is not believed.

Base against itself only shows that nothing looks like nothing. A timer that has stopped, arms that are swapped,
a bench whose call never reaches the target: all of them pass it. So before any attempt the candidate's arm is
given the base again, with every call made twice, and has to come out near half the speed.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import AdmissionError
from harness.noise import require_telling
from harness.timing.client import measure
from harness.timing.job import MeasureJob, Protocol
from harness.timing.measurement import Measurement, Progress, WrongOutput
from harness.verdict import Interval

REPEATS = 2
EXPECTED = 1 / REPEATS
TOLERANCE = 0.25
# Six sessions are the fewest that have a 95 % interval; the effect is far too large to need more.
PROTOCOL = Protocol(looks=[6], alpha=0.05, pairs=6, workload_ms=40, sessions_per_server=3)


def require_known_effect(job: MeasureJob, on_progress: Callable[[Progress], None]) -> str:
    """Measure the base against itself with every call made twice, on the shown workloads.

    Args:
        job: a measurement of the base against itself.
        on_progress: told after every session.

    Returns:
        One sentence for the record: what came out, or why the effect could not be injected.

    Raises:
        AdmissionError: the effect did not come back, in sign or to within `TOLERANCE` of its size.
        InfrastructureError: the machine is so noisy that it cannot be told whether it did.
    """
    twice = job.model_copy(update={"candidate_repeats": REPEATS, "held_out": False, "protocol": PROTOCOL})
    measured = measure(twice, on_progress)
    if isinstance(measured, WrongOutput):
        # One call a time was right a moment ago: this call leaves its inputs other than it found them.
        return "left out: a second call on the same inputs gives another result, so no call can be made twice"
    if not isinstance(measured, Measurement):
        raise AdmissionError(f"Made twice, a call of the base cannot be timed: {measured.cause}: {measured.message}")
    require_telling(measured.speedup, EXPECTED)
    problem = what_is_missed(measured.speedup)
    if problem is not None:
        raise AdmissionError(
            f"A known effect did not come back: {problem}",
            remedy="Look at the bench's `call`: does it reach the target, and wait for the result? A package that "
            "remembers its last arguments fails here too: `call` can only be timed where every call does its work.",
        )
    return f"every call made twice: {_text(measured.speedup)}, {EXPECTED:.2f}x expected"


def what_is_missed(found: Interval, expected: float = EXPECTED) -> str | None:
    """What is wrong with a measured slowdown of known size; None when it came back.

    Args:
        found: the measured speedup, with its 95 % interval.
        expected: the speedup that was injected, below 1.
    """
    injected = f"{expected:.2f}x was injected and {_text(found)} was measured"
    if found.low > 1:
        return f"{injected}: the sign is wrong, as if base and candidate were swapped."
    if found.high >= 1:
        return f"{injected}: the slowdown is not seen at all."
    if found.low > expected * (1 + TOLERANCE) or found.high < expected * (1 - TOLERANCE):
        return f"{injected}: the size is off by more than {TOLERANCE:.0%}."
    return None


def _text(ratio: Interval) -> str:
    return f"{ratio.estimate:.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]"
