"""Who is good enough to be gone on with, and what a prompt should remember of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.strategy.protocol import Member

_BEST, _LATEST = 10, 20


def ranked(members: Iterable[Member]) -> list[Member]:
    """Members that are faster for sure, best first, one for each patch.

    By the lower end of their intervals: of many patches the one with the highest estimate is the luckiest, and one
    that was measured badly has a wide interval and does not get far. What is `same` is the noise of this machine,
    and is never gone on with.
    """
    found: dict[str, Member] = {}
    for member in sorted(members, key=_low):
        if member.is_faster:
            patch = member.verdict.patch
            found.setdefault(patch.sha256 if patch else member.name, member)
    return list(found.values())


def _low(member: Member) -> tuple[float, str]:
    return (-member.speedup.low if member.speedup else 0.0, member.name)


def remembered(population: Sequence[Member]) -> list[str]:
    """Names of the attempts that a prompt lists: all of them, or where they are many the best and the latest."""
    if len(population) <= _BEST + _LATEST:
        return [member.name for member in population]
    kept = {member.name for member in [*ranked(population)[:_BEST], *population[-_LATEST:]]}
    return [member.name for member in population if member.name in kept]
