"""The best attempts so far are gone on with; their numbers, and what was wrong with the others, are told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from harness.brief import Brief
from harness.strategy.keys import StrategyKeys
from harness.strategy.protocol import Member
from harness.strategy.ranking import ranked, remembered

if TYPE_CHECKING:
    from harness.plan import Slot


class Refine(StrategyKeys):
    """Attempts after the first few begin with the patch of one of the best."""

    name: Literal["refine"] = Field("refine", description="Go on from the best attempts so far.")
    first: int = Field(2, ge=1, description="So many attempts begin from nothing and know of no other.")
    top: int = Field(3, ge=1, description="One of so many of the best is gone on with; the prompt shows them all.")

    def brief(self, slot: Slot, population: Sequence[Member], rng: random.Random) -> Brief:
        """See `Strategy`."""
        if int(slot.name) <= self.first or not population:
            return Brief(strategy=self.name)
        best = ranked(population)[: self.top]
        if not best:  # a fresh start that knows what went wrong
            return Brief(strategy=self.name, ledger=remembered(population))
        # Any of them, not always the first: they may be equally good, and the first may lead nowhere.
        chosen = rng.choice(best)
        return Brief(
            strategy=self.name,
            kind="refine",
            parents=[chosen.name, *(member.name for member in best if member is not chosen)],
            start_from=chosen.name,
            ledger=remembered(population),
        )
