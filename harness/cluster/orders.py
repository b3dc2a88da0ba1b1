"""What a run tells every station, and how what a station refuses comes back as an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness import errors
from harness.cluster.messages import Key, Message, Prepare, Refused
from harness.errors import HarnessError, InfrastructureError
from harness.plan import Admission
from harness.task import DeviceChoice


@dataclass(frozen=True)
class Orders:
    """What every station is told.

    Attributes:
        device: the task's.
        wanted: the name of the device that the run was begun on; None if that is still open.
        parcel: Ray's reference to the packed task.
        mine: version and digest of this harness.
    """

    run: str
    options: dict[str, Any]
    seed: int
    limits: tuple[float | None, int | None, float | None]
    device: DeviceChoice
    sandbox: str
    wanted: str | None
    parcel: Any
    key: str | None
    mine: tuple[str, str]

    def prepare(self, node: str, device: DeviceChoice, admitted: Admission | None) -> list[Message]:
        """What goes ahead of the parcel, to a station on `node` that measures on `device`."""
        prepare = Prepare(
            run=self.run,
            node=node,
            device=device,
            options=self.options,
            seed=self.seed,
            admitted=admitted,
            limits=self.limits,
        )
        return [prepare] if self.key is None else [prepare, Key(key=self.key)]


@dataclass(frozen=True)
class Lost:
    """A place is no more, and why."""

    why: str


def as_raised(node: str, refused: Refused) -> HarnessError:
    """What a station refused with, as if it had been raised here; says on which node."""
    kind = getattr(errors, refused.error, InfrastructureError)
    kind = kind if isinstance(kind, type) and issubclass(kind, HarnessError) else InfrastructureError
    raised: HarnessError = kind(f"On node {node}: {refused.message}", remedy=refused.remedy)
    return raised
