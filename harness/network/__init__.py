"""How a confined command reaches exactly what it may reach, although its network is closed.

Two servers outside, a gateway to the model's endpoint and a proxy to named hosts, and a bridge that leads to them
from the command's private loopback. `access.open_access` is the one entry; `docs/sandbox.md` says what holds.
"""

from harness.network.access import Access, open_access, require_access
from harness.network.endpoint import Endpoint

__all__ = ["Access", "Endpoint", "open_access", "require_access"]
