"""The places of a run: opened where Ray has room, taken on if they fit, given up when they are lost.

A run measures on one kind of device. Which it is, the places say before anything is timed: what most of them have, or
what the run was begun on. A node with another device, another harness, or a base that is not admitted there is left
out, and the journal says so: boards keep devices apart, and a run's attempts are meant to be comparable.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.cluster.connect import Node, living_nodes
from harness.cluster.identity import require_same
from harness.cluster.messages import Described, Hello, Look, Message, Ready, Refused, Stop
from harness.cluster.orders import Lost, Orders, as_raised
from harness.cluster.place import Place, open_place
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.events import Emit, NodeJoined, NodeLeft, now
from harness.plan import Admission
from harness.task import DeviceChoice

_log = logging.getLogger(__name__)
_LOOK_AROUND_SECONDS = 2.0
_LATECOMER_SECONDS = 60.0
_TELL_AFTER_SECONDS = 30.0
_NO_PLACE_SECONDS = 60.0
_MOST_ENDS = 2


@dataclass
class Crew:
    """Opens, takes on and gives up places. All of it in one thread.

    Args:
        orders: what stations are told.
        most: how many places the run can use.
        emit: where events go.
        admitted: what admitting the base found, by Ray's name of the node; added to as nodes are admitted.
        on_admitted: called when that has happened.
    """

    orders: Orders
    most: int
    emit: Emit
    admitted: dict[str, Admission]
    on_admitted: Callable[[], None]
    places: list[Place] = field(default_factory=list)
    _gpu: bool = False
    _wanted: str | None = None
    _opened: int = 0
    _left_out: dict[str, HarnessError] = field(default_factory=dict)
    _ends: Counter[str] = field(default_factory=Counter)
    _looked: float = float("-inf")
    _began: float = field(default_factory=time.monotonic)
    _empty_since: float | None = None
    _told: bool = False

    def __post_init__(self) -> None:
        """See whether the cluster has what the task needs.

        Raises:
            InfrastructureError: it has no GPU, or no CPU to work with.
        """
        nodes = living_nodes()
        self._gpu = self.orders.device == "cuda" or (self.orders.device == "auto" and any(n.gpus for n in nodes))
        self._wanted = self.orders.wanted
        if not any(map(self._room, nodes)):
            what = "GPU" if self._gpu else "CPU"
            raise InfrastructureError(
                f"The Ray cluster offers no {what} on any of its {len(nodes)} nodes, and the task needs one.",
                remedy=f"Start Ray with --num-{what.lower()}s on the nodes that are to work.",
            )

    @property
    def ready(self) -> list[Place]:
        """Those that can take attempts."""
        return [place for place in self.places if place.state == "ready"]

    def look_around(self) -> list[tuple[Place, Lost]]:
        """Now and then: give up places whose nodes are gone, open places where there is room, take on who fits.

        Raises:
            HarnessError: nobody is left who could work, and nobody came back.
        """
        if time.monotonic() - self._looked < _LOOK_AROUND_SECONDS:
            return []
        self._looked = time.monotonic()
        nodes = living_nodes()
        alive = {node.key for node in nodes}
        gone = [place for place in self.places if place.node.key not in alive]
        lost = [(place, self._give_up(place, "Ray says that the node is dead.")) for place in gone]
        while len(self.places) < self.most and (node := self._roomiest(nodes)) is not None:
            self.places.append(open_place(self._opened, node, gpu=self._gpu))
            self._opened += 1
        self._choose_device()
        self._require_somebody()
        return lost

    def hear(self, seconds: float) -> Iterator[tuple[Place, Message | Lost]]:
        """What stations say about attempts, and which places are lost; waits for at most `seconds` for a word."""
        import ray  # noqa: PLC0415 - an extra

        asked = {place.poll: place for place in self.places}
        if not asked:
            time.sleep(seconds)
            return
        heard, _ = ray.wait(list(asked), num_returns=1, timeout=seconds)
        if heard:
            heard, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0)
        for poll in heard:
            place = asked[poll]
            messages, lost = place.heard()
            for message in messages:
                if place in self.places:
                    yield from self._take(place, message)
            if lost is not None and place in self.places:
                yield place, self._give_up(place, lost)

    def stop(self, seconds: float) -> None:
        """Have every station end, wait until they have let go of everything, then end what did not."""
        import ray  # noqa: PLC0415 - an extra

        for place in self.places:
            place.say(Stop())
        deadline = time.monotonic() + seconds
        up = [place for place in self.places if place.state != "opening"]
        while up and time.monotonic() < deadline:
            _, waiting = ray.wait([place.poll for place in up], num_returns=len(up), timeout=0.1)
            up = [place for place in up if place.poll in waiting or place.heard()[1] is None]
        for place in self.places:
            ray.kill(place.relay)
        self.places.clear()

    def _take(self, place: Place, message: Message) -> Iterator[tuple[Place, Message | Lost]]:
        try:
            if isinstance(message, Hello):
                require_same(place.node.name, message.version, message.code, mine=self.orders.mine)
                place.say(Look(device=self._device, sandbox=self.orders.sandbox))
            elif isinstance(message, Described):
                place.device, place.sandbox, place.state = message.device, message.sandbox, "described"
                self._choose_device()
            elif isinstance(message, Ready):
                self._join(place, message)
            elif isinstance(message, Refused):
                raise as_raised(place.node.name, message)
            else:
                yield place, message
        except HarnessError as error:
            self._left_out[place.node.key] = error
            yield place, self._give_up(place, str(error))

    def _join(self, place: Place, message: Ready) -> None:
        place.state, place.folder = "ready", message.folder
        if place.node.key not in self.admitted:
            self.admitted[place.node.key] = message.admission
            self.on_admitted()
        machine = message.admission.machine
        self.emit(NodeJoined(at=now(), node=place.node.name, device=machine, sandbox=place.sandbox))
        self._prepare_described()

    @property
    def _device(self) -> DeviceChoice:
        """What a station is to measure on: without a GPU of its own, the CPU."""
        return self.orders.device if self._gpu else "cpu"

    def _choose_device(self) -> None:
        """Settle on one device as soon as everybody has said what there is, or has had the time to."""
        if self._wanted is None:
            waiting = any(place.state == "opening" for place in self.places)
            names = Counter(place.device.name for place in self.places if place.device is not None)
            if not names or (waiting and time.monotonic() - self._began < _LATECOMER_SECONDS):
                return
            self._wanted = min(names, key=lambda name: (-names[name], name))
        self._prepare_described()

    def _prepare_described(self) -> None:
        """One place of a node admits the base, the node's others wait for what it finds."""
        busy = {place.node.key for place in self.places if place.state == "preparing"}
        for place in [each for each in self.places if each.state == "described" and each.device is not None]:
            name = place.device.name if place.device else ""
            if self._wanted is None or (place.node.key in busy and place.node.key not in self.admitted):
                continue
            if name != self._wanted:
                error = UsageError(f"It has a {name}, and this run is measured on {self._wanted}.")
                self._left_out[place.node.key] = error
                self._give_up(place, str(error))
                continue
            busy.add(place.node.key)
            place.state = "preparing"
            first = self.orders.prepare(place.node.name, self._device, self.admitted.get(place.node.key))
            place.say(*first, packed=self.orders.parcel)

    def _give_up(self, place: Place, why: str) -> Lost:
        import ray  # noqa: PLC0415 - an extra

        self.places.remove(place)
        self._ends[place.node.key] += 1
        if self._ends[place.node.key] >= _MOST_ENDS:
            self._left_out.setdefault(place.node.key, InfrastructureError(f"{place.node.name}: {why}"))
        ray.kill(place.relay)
        self.emit(NodeLeft(at=now(), node=place.node.name, why=why))
        return Lost(why)

    def _room(self, node: Node) -> int:
        offered = node.gpus if self._gpu else min(node.cpus, 1)
        return 0 if node.key in self._left_out else offered

    def _roomiest(self, nodes: list[Node]) -> Node | None:
        taken = Counter(place.node.key for place in self.places)
        free = [node for node in nodes if self._room(node) > taken[node.key]]
        return min(free, key=lambda node: (taken[node.key], self._ends[node.key], node.name), default=None)

    def _require_somebody(self) -> None:
        if self.places:
            self._empty_since = None
            if not self.ready and not self._told and time.monotonic() - self._began > _TELL_AFTER_SECONDS:
                self._told = all(place.state == "opening" for place in self.places)
                if self._told:
                    _log.warning("Waiting for Ray to have room for this run: others use what it needs.")
            return
        self._empty_since = self._empty_since or time.monotonic()
        reasons = list(self._left_out.values())
        if reasons and not any(self._ends[key] and key not in self._left_out for key in self._ends):
            raise reasons[0]
        if time.monotonic() - self._empty_since > _NO_PLACE_SECONDS:
            raise InfrastructureError(
                "No node of the Ray cluster is left to work on attempts.",
                remedy="Start nodes; then `harness resume` goes on with the rest.",
            )
