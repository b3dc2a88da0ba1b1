"""What an external agent may reach: its model, and hosts."""

from __future__ import annotations

from dataclasses import dataclass

from agent.budget import Pricing
from harness.network import Endpoint


@dataclass(frozen=True)
class Reach:
    """What an external agent may reach.

    Attributes:
        endpoint: its model's, through the gateway; None for an agent that asks none of ours.
        allow_hosts: other hosts, through a proxy that logs.
        pricing: what turns its tokens into dollars; None when nobody told us.
    """

    endpoint: Endpoint | None = None
    allow_hosts: tuple[str, ...] = ()
    pricing: Pricing | None = None
