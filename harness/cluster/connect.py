"""The way into a Ray cluster: one that runs already, by its address, or one on this machine for as long as the run."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InfrastructureError, UsageError
from harness.text import shortened

LOCAL = "local"
_LISTENER_SECONDS = 10.0
_LAST_PORT = 65_535
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Node:
    """A living machine of the cluster.

    Attributes:
        key: Ray's own name for it, new whenever Ray is started anew there.
        name: for people: what `ray start --node-name` said, else its host's name; unique in the cluster.
        gpus: how many whole ones it offers.
        cpus: how many it offers.
    """

    key: str
    name: str
    gpus: int
    cpus: int


def require_ray(address: str) -> None:
    """Refuse what no cluster can be reached with, before anything is begun; whether one is there is not looked at.

    Raises:
        UsageError: Ray is not installed here, or the address is none.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError(
            "--executor ray needs Ray, which is not installed here.", remedy="pip install 'perf-harness[ray]'"
        )
    _host_and_port(address)


@contextmanager
def connected(address: str) -> Iterator[None]:
    """A connection to the cluster at `address`: `auto`, `local`, `HOST:PORT` or `ray://HOST:PORT`.

    Raises:
        UsageError: Ray is not installed here, or the address is none.
        InfrastructureError: there is no cluster.
    """
    require_ray(address)
    # Whoever starts a cluster for a run tells nobody of it. What runs already has its own settings.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # noqa: PLC0415 - an extra

    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        settings["include_dashboard"] = False
        # Its workers find the harness where this process did.
        found = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), found]))
    try:
        if (where := _host_and_port(address)) is not None:
            # Somebody must listen there: Ray itself would try for minutes.
            socket.create_connection(where, timeout=_LISTENER_SECONDS).close()
        with _own_signals():
            ray.init(address=address, **settings)
    except (ConnectionError, TimeoutError, ValueError, RuntimeError, OSError) as error:
        raise InfrastructureError(
            f"There is no Ray cluster at {address}: {_in_short(error)}",
            remedy="Start one (`ray start --head`), name another with --ray-address, or let a run have its own: "
            "--ray-address local.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def living_nodes() -> list[Node]:
    """The cluster's nodes that are alive, by name."""
    import ray  # noqa: PLC0415

    alive = [each for each in ray.nodes() if each["Alive"]]
    said = [_said_name(each) for each in alive]
    found = []
    for each, name in zip(alive, said, strict=True):
        key, offers = str(each["NodeID"]), each["Resources"]
        unique = name if said.count(name) == 1 else f"{name}-{key[:6]}"
        found.append(Node(key, unique, int(offers.get("GPU", 0)), int(offers.get("CPU", 0))))
    return sorted(found, key=lambda node: node.name)


def _host_and_port(address: str) -> tuple[str, int] | None:
    """Where a cluster is to be; None where Ray finds or starts it by itself.

    Raises:
        UsageError: it is no address.
    """
    meant = (os.environ.get("RAY_ADDRESS") or address) if address == "auto" else address  # as Ray does
    if meant in ("auto", LOCAL):
        return None
    host, colon, port = meant.removeprefix("ray://").rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise UsageError(
            f"--ray-address {meant}: not an address.",
            remedy="It is auto, local, HOST:PORT, or ray://HOST:10001 for a cluster reached through its client port.",
        )
    return host.strip("[]"), int(port)


def _said_name(node: dict[str, Any]) -> str:
    name, address = str(node.get("NodeName") or ""), str(node.get("NodeManagerAddress") or "")
    return name if name and name != address else str(node.get("NodeManagerHostname") or address)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's signal handlers: Ray puts one of its own in the place of ours."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


def _in_short(error: Exception) -> str:
    return shortened(str(error).strip() or type(error).__name__, 300)
