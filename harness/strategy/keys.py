"""What all strategies' keys in a task file have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class StrategyKeys(BaseModel):
    """A strategy's parameters, as a task file or `--strategy` gives them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
