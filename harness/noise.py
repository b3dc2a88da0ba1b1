"""What a machine's noise leaves to be claimed, and when that is nothing."""

from __future__ import annotations

import math

from harness.errors import InfrastructureError
from harness.text import interval_text
from harness.verdict import Interval, NoiseFloor

# Where the base may come out twice as fast as itself, no loss can be shown any more, and hardly a gain.
MOST_NOISE = 1.0
# From here on most honest gains drown: whoever waits for a verdict should know it before the agent's money is spent.
LOUD_NOISE = 0.1
_REMEDY = "End what else is running on it (`harness doctor` shows the load) and start again, or judge on another one."


def noise_of(floor: NoiseFloor) -> float:
    """The largest effect that base against base leaves possible, as a fraction: nothing smaller is claimed."""
    return max(floor.speedup.high - 1, 1 - floor.speedup.low)


def noise_text(floor: NoiseFloor, min_effect: float) -> str:
    """One sentence for whoever waits for a verdict; it says so where the noise decides, and not the task."""
    text = f"base against itself: {interval_text(floor.speedup, 3)}"
    noise = noise_of(floor)
    return text if noise <= min_effect else f"{text}; nothing below {noise:.1%} is claimed on this machine now"


def loud_text(floor: NoiseFloor) -> str:
    """What a very noisy machine costs, and what to do about it; empty for others."""
    noise = noise_of(floor)
    return f"NOISY: nothing below {noise:.0%} will be claimed here. {_REMEDY}" if noise >= LOUD_NOISE else ""


def require_quiet(floor: NoiseFloor, calibrated: float = 0.0) -> None:
    """Refuse a machine on which nothing could be claimed.

    Args:
        floor: base against base, just now.
        calibrated: the noise floor of the machine's calibration, as a fraction; 0 where it has none.

    Raises:
        InfrastructureError: it is too noisy. It is nobody's patch, and nobody's bench.
    """
    noise = noise_of(floor)
    if math.isnan(noise) or noise >= MOST_NOISE:
        raise _too_noisy(f"the base against itself comes to {interval_text(floor.speedup)}")
    if calibrated >= MOST_NOISE:
        raise InfrastructureError(
            f"This machine is too noisy to judge on: by its calibration, effects below {calibrated:.0%} are noise.",
            remedy="Calibrate it anew while nothing else is running on it: `harness calibrate`.",
        )


def require_telling(found: Interval, expected: float) -> None:
    """Refuse a machine on which a known effect drowns: what was measured fits with it, and with no effect as well.

    Args:
        found: what was measured, with its 95 % interval.
        expected: what was injected, below 1.

    Raises:
        InfrastructureError: it is too noisy.
    """
    if found.low <= expected and found.high >= 1:
        raise _too_noisy(f"where {expected:.2f}x was injected, {interval_text(found)} was measured")


def _too_noisy(seen: str) -> InfrastructureError:
    """The refusal, with what was seen."""
    return InfrastructureError(
        f"This machine is too noisy to judge on: {seen}, and what is smaller than that is not told from nothing.",
        remedy=_REMEDY,
    )
