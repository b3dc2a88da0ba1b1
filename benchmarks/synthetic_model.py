"""A model that writes synthetic patches: a distribution over what a patch is truly worth.

A *landscape* is one task as one model sees it. It is drawn anew for every simulated run, so that no strategy is held
against a single lucky task. Values are natural logarithms of speedups.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

APPROACHES = 4
IDEAS = 8
GENERAL_IDEAS = 4
NO_APPROACH = "none"


@dataclass(frozen=True)
class SyntheticPatch:
    """A patch of which all is known.

    Attributes:
        works: whether its outputs are right.
        approach: what it is built on.
        ideas: the improvements it holds, by number; the first few fit any approach, the others their own.
        drift: what it lost or gained by accident.
    """

    works: bool = True
    approach: str = NO_APPROACH
    ideas: frozenset[int] = frozenset()
    drift: float = 0.0


BASE = SyntheticPatch()


def _gains(rng: random.Random, count: int) -> list[float]:
    return [rng.expovariate(1 / 0.06) for _ in range(count)]


class Ideas:
    """Patches are built of an approach and of improvements to it.

    A fresh attempt fails in a quarter of cases, changes nothing that counts in another third, and else finds one of
    four approaches, the better the rarer, with few of its eight improvements. Going on from a parent adds one
    improvement at most, and the more the parent has, the harder the next is to find: gains diminish. One in ten that
    are to go on begin anew instead. Bringing two patches together keeps the approach of the first, with its
    improvements and those of the others that fit. The model learns nothing from what it is told but what it begins
    with.

    Attributes:
        builds_up: whether it matters what an attempt begins with; where it does not, all strategies do the same.
    """

    builds_up = True

    def __init__(self, rng: random.Random) -> None:
        worth = sorted(rng.lognormvariate(math.log(0.25), 0.6) for _ in range(APPROACHES))
        self._approaches = {f"approach-{number}": value for number, value in enumerate(worth)}
        anywhere = _gains(rng, GENERAL_IDEAS)
        self._gains = {name: [*anywhere, *_gains(rng, IDEAS - GENERAL_IDEAS)] for name in self._approaches}

    def value(self, patch: SyntheticPatch) -> float:
        """Its true log speedup."""
        if patch.approach == NO_APPROACH:
            return patch.drift
        return self._approaches[patch.approach] + sum(self._gains[patch.approach][i] for i in patch.ideas) + patch.drift

    def fresh(self, rng: random.Random) -> SyntheticPatch:
        """An attempt that begins from the base and knows of nothing."""
        luck = rng.random()
        if luck < 0.25:
            return SyntheticPatch(works=False)
        if luck < 0.6:
            return SyntheticPatch(drift=-rng.expovariate(1 / 0.02))
        approach = rng.choices(list(self._approaches), weights=[8, 4, 2, 1])[0]
        return SyntheticPatch(approach=approach, ideas=frozenset(i for i in range(IDEAS) if rng.random() < 0.15))

    def refine(self, parent: SyntheticPatch, rng: random.Random) -> SyntheticPatch:
        """An attempt that goes on from one patch."""
        luck = rng.random()
        if luck < 0.2:
            return SyntheticPatch(works=False)
        if luck < 0.3 or parent.approach == NO_APPROACH:
            return self.fresh(rng)
        if luck < 0.4:
            return SyntheticPatch(approach=parent.approach, ideas=parent.ideas, drift=-rng.expovariate(1 / 0.02))
        missing = [i for i in range(IDEAS) if i not in parent.ideas]
        found = {rng.choice(missing)} if missing and rng.random() < len(missing) / IDEAS else set()
        return SyntheticPatch(approach=parent.approach, ideas=parent.ideas | found, drift=min(parent.drift, 0.0))

    def crossover(self, parents: Sequence[SyntheticPatch], rng: random.Random) -> SyntheticPatch:
        """An attempt that is to bring patches together; fails more often than one that goes on from a single one."""
        if rng.random() < 0.3:
            return SyntheticPatch(works=False)
        first = parents[0]
        ideas = set(first.ideas)
        for other in parents[1:]:
            alike = other.approach == first.approach
            ideas |= {idea for idea in other.ideas if alike or idea < GENERAL_IDEAS}
        return SyntheticPatch(approach=first.approach, ideas=frozenset(ideas), drift=min(first.drift, 0.0))


class Plateau(Ideas):
    """Half of all attempts reach the same 1.10x, whatever they begin from: luck alone decides who is the best."""

    worth = math.log(1.1)
    builds_up = False

    def value(self, patch: SyntheticPatch) -> float:
        """See `Ideas`."""
        return self.worth if patch.approach != NO_APPROACH else 0.0

    def fresh(self, rng: random.Random) -> SyntheticPatch:
        """See `Ideas`."""
        return SyntheticPatch(approach="approach-0") if rng.random() < 0.5 else SyntheticPatch(works=rng.random() < 0.5)

    def refine(self, parent: SyntheticPatch, rng: random.Random) -> SyntheticPatch:
        """See `Ideas`."""
        return self.fresh(rng)

    def crossover(self, parents: Sequence[SyntheticPatch], rng: random.Random) -> SyntheticPatch:
        """See `Ideas`."""
        return self.fresh(rng)


class Nothing(Plateau):
    """No patch is worth anything: whatever is published as faster is false."""

    worth = 0.0


LANDSCAPES: dict[str, type[Ideas]] = {"ideas": Ideas, "plateau": Plateau, "nothing": Nothing}
