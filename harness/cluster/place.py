"""A place where attempts are worked on: a device of a node and the station that owns it, as the run's process sees it.

A GPU task has a place for each GPU, which Ray gives to that place alone; a CPU task has one for each node, where the
harness's own gate keeps measurements apart. Several attempts can be at work in one place; it times one at a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.cluster.connect import Node
from harness.cluster.messages import Message, decode, encode
from harness.cluster.relay import relay_class
from harness.executor import Job
from harness.verdict import Device

State = Literal["opening", "described", "preparing", "ready"]
_POLL_SECONDS = 1.0


@dataclass
class Place:
    """One place.

    Attributes:
        number: of this run's places, from 0.
        relay: the handle of Ray's actor.
        poll: the call under way that brings what the station says.
        folder: where the station keeps attempts' folders.
        jobs: what is under way there, by attempt.
        done: how many tries have ended there.
    """

    number: int
    node: Node
    relay: Any
    state: State = "opening"
    poll: Any = None
    device: Device | None = None
    sandbox: str = ""
    folder: str = ""
    jobs: dict[str, Job] = field(default_factory=dict)
    done: int = 0

    def say(self, *messages: Message, packed: Any = None) -> None:  # noqa: ANN401 - Ray's reference
        """Send messages to the station, in this order, and behind them one that lies packed in Ray's object store."""
        frames = [encode(message) for message in messages]
        self.relay.send.remote(*frames, *([] if packed is None else [packed]))

    def listen(self) -> None:
        """Ask for what the station says next."""
        self.poll = self.relay.receive.remote(_POLL_SECONDS)

    def heard(self) -> tuple[list[Message], str | None]:
        """What the call that came back has brought, asking for more; and why the place is lost, where it is."""
        import ray  # noqa: PLC0415 - an extra
        from ray.exceptions import RayError  # noqa: PLC0415

        try:
            frames, ended = ray.get(self.poll)
        except RayError as error:
            return [], _first_line(error)
        if ended is None:
            self.listen()
        return [decode(frame) for frame in frames], None if ended is None else _why(ended.strip())


def open_place(number: int, node: Node, *, gpu: bool) -> Place:
    """Ask Ray for a place on a node: a whole GPU, or a CPU's worth of the node. It comes up when Ray has it free."""
    import ray  # noqa: PLC0415 - an extra
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

    # The second group is for what is said inwards; a start that waits must not keep words from coming out.
    actor = ray.remote(concurrency_groups={"inwards": 1, "outwards": 1})(relay_class())
    relay = actor.options(
        num_gpus=1 if gpu else 0,
        num_cpus=0 if gpu else 1,
        max_restarts=0,
        max_task_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node.key, soft=False),
    ).remote()
    place = Place(number, node, relay)
    relay.open.remote()
    place.listen()
    return place


def _why(ended: str) -> str:
    if re.search(r"No module named '?(harness|agent)", ended):
        return "The harness is not installed there for the Python that Ray runs: install the same version."
    return f"The harness's process there ended. {ended}".strip()


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
