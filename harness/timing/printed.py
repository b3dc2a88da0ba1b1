"""A number that a program prints about itself: read it, and hold it against the clock that the program does not own.

The program owns this number, so it is believed only as far as the referee's clock around the whole program bears it
out. A printed time longer than the program ran is impossible. A printed saving must be a saving of wall time as
well, second for second, whatever else the program does. Where the wall clock's own noise is larger than the saving,
neither can be said, and the measurement carries a flag.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, median

from harness.timing.job import CommandSpec
from harness.timing.measurement import Sample
from harness.timing.statistics import hodges_lehmann

SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
MASK = "<number>"
_ALPHA = 0.05
_LEAST_SESSIONS = 6
_LEAST_SHARE = 0.5
# The last printed digit's worth, as a share of the number: beyond this nothing is told apart, from here it is felt.
COARSEST_STEP = 0.5
_FELT_STEP = 0.01
# A program may print what it likes; ratios of what is let through, and their products, stay far within a float.
_MOST = 1e99
_MOST_EXPONENT_DIGITS = 2
_MOST_DECIMALS = 30


class NotANumber(Exception):
    """The output holds no number that can be used; the message says why."""


@dataclass(frozen=True)
class Printed:
    """A number as it was printed.

    Attributes:
        value: in the task's unit; half the last digit's step where it was printed as 0, for it was less than that.
        step: what the last printed digit is worth.
    """

    value: float
    step: float


def read_number(spec: CommandSpec, output: str) -> Printed:
    """The last number that `spec.number` finds.

    Raises:
        NotANumber: there is none, or it is negative, not finite, or beyond all measure.
    """
    found = list(re.finditer(spec.number or "", output))
    if not found:
        raise NotANumber(f"standard output has nothing that metric.number matches ({spec.number})")
    text = found[-1].group("value") or ""
    try:
        value = float(text)
    except ValueError as error:
        raise NotANumber(f"metric.number matches {text!r}, which is no number") from error
    if not math.isfinite(value) or value < 0:
        raise NotANumber(f"it printed {text}, which is no time and no rate")
    digits, _, exponent = text.lower().partition("e")
    decimals = len(digits.partition(".")[2])
    if len(exponent.lstrip("+-0")) > _MOST_EXPONENT_DIGITS or decimals > _MOST_DECIMALS or value > _MOST:
        raise NotANumber(f"it printed {text[:80]}, which is beyond all that is timed")
    step = 10.0 ** (int(exponent or 0) - decimals)
    return Printed(value=max(value, step / 2), step=step)


def masked(spec: CommandSpec, output: str) -> str:
    """The output with every number that `spec.number` finds replaced by the same word."""
    if spec.number is None:
        return output

    def cover(match: re.Match[str]) -> str:
        start, end = match.start("value") - match.start(), match.end("value") - match.start()
        return match.group()[:start] + MASK + match.group()[end:]

    return re.sub(spec.number, cover, output)


def coarseness(*steps: float) -> float:
    """How far the logarithm of the ratio of two numbers may be off because they are printed rounded, or cut off.

    No repetition takes that away: where both lie between the same two ticks, every run prints the same.

    Args:
        steps: what the last printed digit of each is worth, as a share of the number.
    """
    return max(map(math.log1p, steps))


def coarseness_of(samples: Iterable[Sample]) -> float:
    """That of a measurement: of each workload the median over its samples, and of those the mean, as the values are."""
    found: dict[str, list[float]] = {}
    for sample in samples:
        found.setdefault(sample.workload, []).append(sample.coarseness)
    return fmean(map(median, found.values()))


def coarse_flag(workload: str, samples: Iterable[Sample]) -> str | None:
    """A sentence for a flag where rounding is felt in an interval; None where it is not."""
    widest = math.expm1(coarseness_of(samples))
    if widest < _FELT_STEP:
        return None
    return f"{workload}: its number is printed so coarsely that up to {widest:.1%} of the ratio is rounding"


def cost_us(spec: CommandSpec, number: Printed) -> float:
    """What is made smaller: a time in microseconds; of any other number a million times it, or its reciprocal.

    So a rate in requests/s becomes microseconds a request.
    """
    if spec.higher_is_better:
        return 1e6 / number.value
    return number.value * SECONDS.get(spec.unit, 1.0) * 1e6


def is_time(spec: CommandSpec) -> bool:
    """Whether the number can be held against the wall clock."""
    return spec.number is not None and spec.unit in SECONDS and not spec.higher_is_better


def impossible(spec: CommandSpec, number: Printed, wall_ns: int) -> str | None:
    """What is wrong with a printed time that is longer than its program ran; None if it is not."""
    printed = number.value * SECONDS.get(spec.unit, 1.0)
    step = number.step * SECONDS.get(spec.unit, 1.0)
    if not is_time(spec) or printed - step <= wall_ns / 1e9:
        return None
    return f"it printed {printed:.6g} s and ran for {wall_ns / 1e9:.6g} s by the referee's clock"


def wall_clock_says(spec: CommandSpec, workload: str, sessions: list[list[Sample]]) -> tuple[str | None, str | None]:
    """Hold a printed saving against the wall clock's: why it cannot be believed, and what cannot be told.

    Args:
        spec: what was asked for.
        workload: the command's name.
        sessions: its samples; `_us` what was printed, `_worker_us` the wall time.

    Returns:
        A sentence for a refusal or None; a sentence for a flag or None.
    """
    if spec.number is not None and not is_time(spec):
        return None, f"{workload}: the number is the program's own word; the wall clock cannot check a {spec.unit}"
    if spec.number is None or len(sessions) < _LEAST_SESSIONS:
        return None, None
    printed = hodges_lehmann([median(e.base_us - e.candidate_us for e in each) for each in sessions], _ALPHA)
    # Of the saving, too, no more is said than the last printed digit bears.
    printed = printed.widened(max(median(map(_step_us, each)) for each in sessions))
    wall = hodges_lehmann([median(e.base_worker_us - e.candidate_worker_us for e in each) for each in sessions], _ALPHA)
    if printed.low <= 0:
        return None, None
    saving = f"{workload}: it prints {printed.estimate / 1e6:.4g} s less than the base"
    clock = f"{wall.estimate / 1e6:.4g} s [{wall.low / 1e6:.4g}, {wall.high / 1e6:.4g}] less by the wall clock"
    if wall.high < _LEAST_SHARE * printed.low:
        return f"{saving}, and takes {clock}", None
    return None, f"{saving}, which the wall clock is too coarse to confirm ({clock})" if wall.low <= 0 else None


def _step_us(sample: Sample) -> float:
    """What the last printed digit is worth, in microseconds."""
    return math.expm1(sample.coarseness) * min(sample.base_us, sample.candidate_us)
