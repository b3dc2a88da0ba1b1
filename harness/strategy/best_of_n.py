"""Every attempt begins from nothing and knows of no other: what any cleverer strategy has to beat."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from harness.brief import Brief
from harness.strategy.keys import StrategyKeys
from harness.strategy.protocol import Member

if TYPE_CHECKING:
    from harness.plan import Slot


class BestOfN(StrategyKeys):
    """N attempts that do not know of each other; the best counts."""

    name: Literal["best-of-n"] = Field("best-of-n", description="Attempts that do not know of each other.")

    def brief(self, slot: Slot, population: Sequence[Member], rng: random.Random) -> Brief:
        """See `Strategy`."""
        return Brief(strategy=self.name)
