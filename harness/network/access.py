"""The one entry: what a confined command needs to reach the model's endpoint and the hosts it may, and no more."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.budget import Budget
from harness.network.endpoint import Endpoint
from harness.network.hosts import AllowedHosts
from harness.network.listeners import tcp_listener, unix_listener
from harness.network.log import RequestLog
from harness.sandbox import Confinement, NoSandbox, Sandbox, SandboxUnavailable, current_sandbox
from harness.temporary import temporary_folder

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from harness.network.gateway import ModelGateway

_FORWARDER = Path(__file__).with_name("forwarder.py")
# Inside, on a loopback that the command has for itself. Below the ports that are given out by themselves.
_GATEWAY_PORT = 28110
_PROXY_PORT = 28111


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


def require_access(
    endpoint: Endpoint | None, allow_hosts: Sequence[str], sandbox: Sandbox | None = None
) -> AllowedHosts:
    """Find out early, before anything takes time, whether `open_access` can do this.

    Returns:
        The hosts, understood.

    Raises:
        UsageError: one of the hosts is none.
        SandboxUnavailable: the sandbox allows a command no sockets at all.
    """
    hosts = AllowedHosts.parse(allow_hosts)
    used = sandbox or current_sandbox()
    # Namespaces come together or not at all: without one for processes there is none for the network.
    if (endpoint or allow_hosts) and not (used.separates_processes or isinstance(used, NoSandbox)):
        raise SandboxUnavailable(
            f"The sandbox {used.name} gives commands no sockets at all, so an agent inside could reach nobody.",
            remedy="Install bubblewrap, or let this user make namespaces (in a container: --security-opt "
            "seccomp=unconfined); --sandbox none runs without one, and every verdict will say so.",
        )
    return hosts


@contextlib.contextmanager
def open_access(
    endpoint: Endpoint | None,
    allow_hosts: Sequence[str],
    budget: Budget,
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
        log: the file that every request is added to, as a JSON line.
        sandbox: what the command will be confined by; the one in use by default.

    Yields:
        How to start the command.

    Raises:
        UsageError: one of the hosts is none.
        SandboxUnavailable: the sandbox allows a command no sockets at all.
        StorageError: the log cannot be written.
    """
    used = sandbox or current_sandbox()
    if endpoint is None and not allow_hosts:
        yield Access([], {}, (), (), None, used)
        return
    hosts = require_access(endpoint, allow_hosts, used)
    # Slow to import, and most commands of the harness start no server.
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415

    from harness.network.gateway import ModelGateway  # noqa: PLC0415
    from harness.network.proxy import HostProxy  # noqa: PLC0415
    from harness.network.serve import serving_gateway, serving_proxy  # noqa: PLC0415

    with contextlib.ExitStack() as stack:
        # Not below anything that a command may write to: what it put in its place would be shown to the next one.
        sockets = Path(stack.enter_context(temporary_folder("net"))).resolve()
        requests = RequestLog(log)
        stack.callback(requests.close)
        portal = stack.enter_context(start_blocking_portal())
        doors = _Doors(stack, sockets, shared=isinstance(used, NoSandbox), host=_own_address(hosts))
        environment: dict[str, str] = {}
        gateway: ModelGateway | None = None
        if endpoint is not None:
            gateway = ModelGateway(endpoint, budget, requests)
            listener, address = doors.add(_GATEWAY_PORT, "model")
            stack.enter_context(_running(portal, serving_gateway(gateway, listener)))
            environment |= _model_variables(f"http://{address}/v1", gateway.token)
        if allow_hosts:
            listener, address = doors.add(_PROXY_PORT, "hosts")
            proxy = HostProxy(hosts, requests)
            stack.enter_context(_running(portal, serving_proxy(proxy, listener)))
            environment |= _proxy_variables(f"http://{address}", doors.host, hosts)
        yield Access(doors.prefix(), environment, doors.readable, (), gateway, used)


@contextlib.contextmanager
def _running(portal: BlockingPortal, server: contextlib.AbstractAsyncContextManager[None]) -> Iterator[None]:
    """A server on the portal's thread. It never learns of what the caller's block raises, and so cannot wrap it."""
    entered = portal.wrap_async_context_manager(server)
    entered.__enter__()
    try:
        yield
    finally:
        entered.__exit__(None, None, None)


@dataclass
class _Doors:
    """Where the servers listen, and how a command gets to them.

    Without a sandbox a command shares the machine's loopback, and there the servers listen. Else each listens on a
    Unix socket, to which the forwarder leads from an address inside.
    """

    stack: contextlib.ExitStack
    folder: Path
    shared: bool
    host: str
    routes: list[str] = field(default_factory=list)

    def add(self, port: int, name: str) -> tuple[socket.socket, str]:
        """A listening socket, and the address that the command finds it at."""
        if self.shared:
            listener = self.stack.enter_context(tcp_listener(self.host))
            return listener, f"{self.host}:{listener.getsockname()[1]}"
        self.routes.append(f"{self.host}:{port}:{name}")
        return self.stack.enter_context(unix_listener(self.folder, name)), f"{self.host}:{port}"

    @property
    def readable(self) -> tuple[Path, ...]:
        return () if self.shared else (self.folder,)

    def prefix(self) -> list[str]:
        if self.shared:
            return []
        return [sys.executable, "-I", "-S", str(_FORWARDER), str(self.folder), *self.routes, "--"]


def _own_address(hosts: AllowedHosts) -> str:
    """Programs send to a proxy what is not excepted, address by address: so ours is none that a user named."""
    return next(address for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3") if address not in hosts.names)


def _model_variables(url: str, token: str) -> dict[str, str]:
    return {"OPENAI_BASE_URL": url, "OPENAI_API_BASE": url, "OPENAI_API_KEY": token}


def _proxy_variables(url: str, own: str, hosts: AllowedHosts) -> dict[str, str]:
    # What runs inside beside the command, such as servers under test, is not reached through a proxy.
    direct = [own, *(name for name in ("127.0.0.1", "localhost", "::1") if name not in hosts.names | {own})]
    named = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "ALL_PROXY": url, "NO_PROXY": ",".join(direct)}
    return named | {name.lower(): value for name, value in named.items()}
