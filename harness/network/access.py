"""The one entry: what a confined command needs to reach the model's endpoint and the hosts it may, and no more."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.budget import Budget
from harness.errors import UsageError
from harness.network.endpoint import Endpoint
from harness.network.gateway import ModelGateway
from harness.network.log import RequestLog
from harness.network.serve import serving_gateway, tcp_listener, unix_listener
from harness.sandbox import Confinement, NoSandbox, Sandbox, SandboxUnavailable, current_sandbox

_FORWARDER = Path(__file__).with_name("forwarder.py")
# Inside, on a loopback that the command has for itself. Below the ports that are given out by themselves.
_GATEWAY_PORT = 28110
_GATEWAY_SOCKET = "model"


@dataclass(frozen=True)
class Access:
    """How to start a command so that it has the access; good for any number of commands while the block lasts.

    Attributes:
        prefix: arguments that go between the sandbox's wrap and the command's own.
        environment: variables to add to the command's.
        readable: what the command's confinement must let it read.
        writable: what it must let it write to.
        gateway: the ledger and the key's stand-in; None without an endpoint.
    """

    prefix: list[str]
    environment: Mapping[str, str]
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    gateway: ModelGateway | None
    _sandbox: Sandbox = field(repr=False)

    def wrap(self, confinement: Confinement) -> list[str]:
        """All that goes before the command's own arguments: the sandbox, its network closed, and the bridge."""
        confined = replace(
            confinement,
            readable=(*confinement.readable, *self.readable),
            writable=(*confinement.writable, *self.writable),
            network=False,
        )
        return [*self._sandbox.wrap(confined), *self.prefix]


@contextlib.contextmanager
def open_access(
    endpoint: Endpoint | None,
    allow_hosts: Sequence[str],
    budget: Budget,
    folder: Path,
    log: Path,
    *,
    sandbox: Sandbox | None = None,
) -> Iterator[Access]:
    """Serve a command's way out for as long as the block lasts.

    Inside, OPENAI_BASE_URL and OPENAI_API_KEY name the gateway and a stand-in for the key. With neither an endpoint
    nor hosts the command has no way out, and nothing is started.

    Args:
        endpoint: the model's endpoint; None for an agent that asks no model.
        allow_hosts: `HOST` or `HOST:PORT` each, to be reached through a proxy.
        budget: what may be used up; the gateway charges it.
        folder: a private folder for sockets; made where it is not there.
        log: the file that every request is added to, as a JSON line.
        sandbox: what the command will be confined by; the one in use by default.

    Yields:
        How to start the command.

    Raises:
        SandboxUnavailable: the sandbox allows a command no sockets at all.
        StorageError: the log cannot be written.
    """
    used = sandbox or current_sandbox()
    if endpoint is None and not allow_hosts:
        yield Access([], {}, (), (), None, used)
        return
    if allow_hosts:
        raise UsageError("--allow-host is not there yet.")
    shared = isinstance(used, NoSandbox)
    _require_sockets(used)
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415 - slow to import

    sockets = folder / "sockets"
    sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.ExitStack() as stack:
        requests = RequestLog(log)
        stack.callback(requests.close)
        portal = stack.enter_context(start_blocking_portal())
        routes: list[str] = []
        environment: dict[str, str] = {}
        gateway: ModelGateway | None = None
        if endpoint is not None:
            gateway = ModelGateway(endpoint, budget, requests)
            listener = stack.enter_context(tcp_listener() if shared else unix_listener(sockets, _GATEWAY_SOCKET))
            stack.enter_context(portal.wrap_async_context_manager(serving_gateway(gateway, listener)))
            port = listener.getsockname()[1] if shared else _GATEWAY_PORT
            routes.append(f"{_GATEWAY_PORT}:{_GATEWAY_SOCKET}")
            url = f"http://127.0.0.1:{port}/v1"
            environment |= {"OPENAI_BASE_URL": url, "OPENAI_API_BASE": url, "OPENAI_API_KEY": gateway.token}
        prefix = [] if shared else [sys.executable, "-I", "-S", str(_FORWARDER), str(sockets.resolve()), *routes, "--"]
        yield Access(prefix, environment, () if shared else (sockets,), (), gateway, used)


def _require_sockets(sandbox: Sandbox) -> None:
    # Namespaces come together or not at all: without one for processes there is none for the network.
    if not (sandbox.separates_processes or isinstance(sandbox, NoSandbox)):
        raise SandboxUnavailable(
            f"The sandbox {sandbox.name} gives commands no sockets at all, so an agent inside could not ask its model.",
            remedy="Install bubblewrap, or let this user make namespaces (in a container: --security-opt "
            "seccomp=unconfined); --sandbox none runs without one, and every verdict will say so.",
        )
