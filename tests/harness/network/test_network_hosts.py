"""Which hosts are let through: by their names, and by the addresses they turn out to have."""

from __future__ import annotations

import ipaddress

import pytest

from harness.errors import UsageError
from harness.network.hosts import AllowedHosts, canonical


def test_a_host_is_named_with_its_port_or_with_those_of_the_web() -> None:
    hosts = AllowedHosts.parse(["PyPI.org.", "10.0.0.5:8080", "[::1]:9", "fd00::1", "localhost:7"])
    for host, port in (("pypi.org", 443), ("PYPI.ORG", 80), ("pypi.org.", 443), ("10.0.0.5", 8080), ("[::1]", 9)):
        assert hosts.allow(host, port), (host, port)
    for host, port in (("[fd00::1]", 443), ("localhost", 7), ("127.0.0.1", 7)):
        assert hosts.allow(host, port), (host, port)
    for host, port in (("pypi.org", 8080), ("files.pypi.org", 443), ("pypi.org.evil", 443), ("10.0.0.5", 80)):
        assert not hosts.allow(host, port), (host, port)
    assert str(AllowedHosts.parse(["b:1", "[::1]:9"])) == "[::1]:9, b:1"


@pytest.mark.parametrize("text", ["", "https://pypi.org", "pypi.org/simple", "*.org", "a:0", "a:70000", "a@b", "127.1"])
def test_what_is_no_host_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="names no host") as caught:
        AllowedHosts.parse(["pypi.org", text])
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "a..b", "-a", "a b"])
def test_addresses_in_disguise_are_no_names(text: str) -> None:
    assert canonical(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104 - an address to be refused
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.251",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2001:0:0:0:0:0:80ff:fffe",
    ],
)
def test_a_name_must_not_lead_inside(text: str) -> None:
    hosts = AllowedHosts.parse(["name.example:80"])
    address = ipaddress.ip_address(text)
    assert not hosts.allow_address(address, 80)
    named = AllowedHosts.parse(["name.example:80", f"[{text}]:80" if ":" in text else f"{text}:80"])
    assert named.allow_address(address, 80)
    assert not named.allow_address(address, 81)


@pytest.mark.parametrize("text", ["1.1.1.1", "151.101.0.223", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_a_name_may_lead_to_the_open_internet(text: str) -> None:
    assert AllowedHosts.parse(["name.example"]).allow_address(ipaddress.ip_address(text), 443)
