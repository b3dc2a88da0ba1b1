"""Which blocks can be believed: a GPU that throttles, or whose clock moves under the samples, times itself.

The harness sets no clock: that takes rights it should not have, and would measure a card nobody runs. It reads
what the clock was, and takes a block anew where it moved.

A difference between the arms' own clocks counts only where no power cap is at work: under the cap a candidate that
draws more is clocked lower for good reason, and pays for it.
"""

from __future__ import annotations

from statistics import median

from harness.timing.gpu_records import GpuBlock, GpuReading

CLOCK_TOLERANCE = 0.02
POWER_CAP = 0x4
# Bits of nvmlClocksEventReasons, from nvml.h; names as `nvidia-smi -q -d PERFORMANCE` has them.
REASONS = {
    0x1: "idle",
    0x2: "applications_clocks",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clocks",
}
_VOIDING = 0x8 | 0x20 | 0x40 | 0x80


def reason_names(bits: int) -> list[str]:
    """Names of the bits that are set; unknown ones as numbers."""
    known = [name for bit, name in REASONS.items() if bits & bit]
    unknown = bits & ~sum(REASONS)
    return [*known, hex(unknown)] if unknown else known


def summarise(session: int, workload: str, base: list[GpuReading], candidate: list[GpuReading]) -> GpuBlock:
    """A block from the readings after its samples, base's and candidate's pair by pair; judged by itself alone."""
    readings = base + candidate
    clocks = [each.sm_mhz for each in readings]
    bits = 0
    for each in readings:
        bits |= each.reasons
    return GpuBlock(
        session=session,
        workload=workload,
        base_mhz=median(each.sm_mhz for each in base),
        candidate_mhz=median(each.sm_mhz for each in candidate),
        least_mhz=min(clocks),
        most_mhz=max(clocks),
        temperature_c=max(each.temperature_c for each in readings),
        power_w=max(each.power_w for each in readings),
        reasons=reason_names(bits),
        voided=_why_void(base, candidate, bits),
    )


def _why_void(base: list[GpuReading], candidate: list[GpuReading], bits: int) -> str | None:
    if bits & _VOIDING:
        return f"throttled: {', '.join(reason_names(bits & _VOIDING))}"
    for name, arm in (("base", base), ("candidate", candidate)):
        middle = median(each.sm_mhz for each in arm)
        drifted = sum(abs(each.sm_mhz / middle - 1) > CLOCK_TOLERANCE for each in arm)
        # The block's value is a median over its pairs: a reading or two beside it move nothing.
        if drifted > len(arm) / 4:
            return f"the SM clock moved under the {name}'s samples"
    apart = median(ours.sm_mhz / theirs.sm_mhz for ours, theirs in zip(base, candidate, strict=True))
    if abs(apart - 1) > CLOCK_TOLERANCE and not bits & POWER_CAP:
        return f"the SM clock was {abs(apart - 1):.1%} apart between base and candidate"
    return None
