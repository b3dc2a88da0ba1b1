"""Islands of attempts that go on from each other, and seldom hear of one another.

Refining the best alone ends where the first good idea ends. So the attempts are spread over islands, each with an
archive that keeps the best patch of every approach (`harness.strategy.approach`), not the best patches: those may be
one idea in many forms. A parent is drawn from the archive, or two are brought together; now and then an island may
draw from its neighbour. Islands are told of their own attempts only, so that they do not all come to think alike.

The archive of approaches follows MAP-Elites (Mouret and Clune, 2015, arXiv 1504.04909), the ring of islands what is
common in genetic algorithms. Nothing is stored: both are read off the verdicts so far whenever an attempt starts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from harness.brief import Brief
from harness.strategy.approach import Approach
from harness.strategy.keys import StrategyKeys
from harness.strategy.protocol import Member
from harness.strategy.ranking import ranked, remembered

if TYPE_CHECKING:
    from harness.plan import Slot


class Evolve(StrategyKeys):
    """Attempts on islands, each of which goes on from its best patch of every approach."""

    name: Literal["evolve"] = Field("evolve", description="Islands that go on from the best of every approach.")
    islands: int = Field(2, ge=1, description="So many groups of attempts that seldom hear of each other.")
    first: int = Field(1, ge=1, description="So many attempts of each island begin from nothing and know of no other.")
    archive: int = Field(4, ge=1, description="Approaches that an island keeps, one patch of each.")
    crossover: float = Field(0.25, ge=0, le=1, strict=False, description="How often two patches are brought together.")
    anew: float = Field(0.1, ge=0, le=1, strict=False, description="How often a later attempt begins from nothing.")
    migrate: int = Field(3, ge=1, description="Every so many attempts, an island may draw its neighbour's best, too.")

    def brief(self, slot: Slot, population: Sequence[Member], rng: random.Random) -> Brief:
        """See `Strategy`."""
        turn, island = divmod(int(slot.name) - 1, self.islands)
        told = Brief(strategy=self.name, island=island)
        home = [member for member in population if self._island(member) == island]
        archive = elites(home)[: self.archive]
        if turn and turn % self.migrate == 0:
            archive = elites([*archive, *self._neighbours_best(population, island)])
        if turn < self.first or not population:
            return told
        ledger = remembered(home)
        # Drawn whether it is used or not: an attempt more in the archive changes this decision and no other.
        draw = rng.random()
        if not archive or draw < self.anew:
            return told.model_copy(update={"ledger": ledger})
        if draw < self.anew + self.crossover and len(archive) > 1:
            pair = sorted(rng.sample(range(len(archive)), 2))  # the better one is in the worktree
            parents, kind = [archive[place].name for place in pair], "crossover"
        else:
            weights = [0.5**place for place in range(len(archive))]
            parents, kind = [rng.choices(archive, weights)[0].name], "refine"
        return told.model_copy(update={"kind": kind, "parents": parents, "start_from": parents[0], "ledger": ledger})

    def _island(self, member: Member) -> int:
        """Where an attempt belongs; one of another strategy's goes where its number would have put it."""
        known = member.brief.island
        return (int(member.name) - 1 if known is None else known) % self.islands

    def _neighbours_best(self, population: Sequence[Member], island: int) -> list[Member]:
        neighbour = (island - 1) % self.islands
        return ranked(member for member in population if self._island(member) == neighbour)[:1]


def elites(members: Sequence[Member]) -> list[Member]:
    """The best member of each approach, best first."""
    found: dict[Approach, Member] = {}
    for member in ranked(members):
        found.setdefault(member.approach, member)
    return list(found.values())
