"""Which hosts a confined command may reach, and which addresses they may turn out to have."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# For a host named without a port.
WEB_PORTS = (80, 443)
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/@?#\s]+)(:(?P<port>[0-9]{1,5}))?")
_LOCALHOST = ("127.0.0.1", "::1")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class AllowedHosts:
    """Pairs of a host, as `canonical` writes it, and a port."""

    pairs: frozenset[tuple[str, int]]

    @classmethod
    def parse(cls, texts: Sequence[str]) -> AllowedHosts:
        """Read `HOST` or `HOST:PORT` each; an IPv6 address with a port goes in brackets.

        Raises:
            UsageError: one of them is neither; says which.
        """
        return cls(frozenset(pair for text in texts for pair in _pairs(text)))

    @property
    def names(self) -> frozenset[str]:
        """The hosts, without ports."""
        return frozenset(host for host, _ in self.pairs)

    def allow(self, host: str, port: int) -> bool:
        """Whether the host is named, by this very name, and this port of it."""
        found = canonical(host)
        return found is not None and (found, port) in self.pairs

    def allow_address(self, address: Address, port: int) -> bool:
        """Whether a named host may turn out to be here: in the open internet, or where the user named the address."""
        return _is_public(address) or (str(address), port) in self.pairs

    def __str__(self) -> str:
        """For messages."""
        return ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in sorted(self.pairs))


def canonical(host: str) -> str | None:
    """A host's one way of being written; None for what is neither a name nor an address in its usual form.

    `127.1`, `0x7f000001` and `2130706433` are addresses to some resolvers, and no names to any: they are refused.
    """
    bare = host.lower().removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    if not _NAME.fullmatch(bare) or len(bare) > 253:
        return None
    name = bare.removesuffix(".")
    last = name.rpartition(".")[2]
    return None if last.isdigit() or last.startswith("0x") else name


def split(text: str) -> tuple[str, int | None] | None:
    """Host and port of `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`; None for anything else."""
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        return None
    port = int(found["port"]) if found["port"] else None
    return None if port is not None and not 0 < port < 65_536 else (found["host"], port)


def _pairs(text: str) -> list[tuple[str, int]]:
    bare_address = text.count(":") > 1 and not text.startswith("[")
    parts = (text, None) if bare_address else split(text)
    host = canonical(parts[0]) if parts else None
    if parts is None or host is None:
        raise UsageError(
            f"--allow-host {text!r} names no host.",
            remedy="It takes HOST or HOST:PORT, such as pypi.org or 127.0.0.1:8000; no scheme, no path, no wildcard.",
        )
    ports = WEB_PORTS if parts[1] is None else (parts[1],)
    hosts = (host, *_LOCALHOST) if host == "localhost" else (host,)
    return [(each, port) for each in hosts for port in ports]


def _is_public(address: Address) -> bool:
    """Whether it leads out of this machine and its networks, also by way of an IPv4 address that it carries."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        carried = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if carried:
            return _is_public(carried)
    return address.is_global and not address.is_multicast
