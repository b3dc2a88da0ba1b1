"""The proxy leads to named hosts and nowhere else, and no request hides in another."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from network_parts import log_lines

from harness.network.hosts import Address, AllowedHosts
from harness.network.listeners import tcp_listener
from harness.network.log import RequestLog
from harness.network.proxy import HostProxy, resolve
from harness.network.serve import serving_proxy


@dataclass
class Site:
    """A web server on loopback that remembers what it was asked, byte by byte where that matters."""

    port: int
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Transfer-Encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
            made.seen.append((self.command, self.path, dict(self.headers), body))
            answer = b"welcome " + body
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.send_header("Proxy-Secret", "x")
            self.end_headers()
            self.wfile.write(answer)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Site(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Proxy:
    """A proxy on loopback; `say` sends it bytes and reads all it answers."""

    port: int
    log: Path

    def say(self, data: bytes, *, more: bytes = b"", end: bool = False) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionResetError):
                while piece := connection.recv(65_536):
                    answer += piece
                    if more:
                        connection.sendall(more)
                        connection.shutdown(socket.SHUT_WR)
                        more = b""
            return answer

    def lines(self) -> list[dict[str, Any]]:
        return log_lines(self.log)


MakeProxy = Callable[..., AbstractContextManager[Proxy]]


@pytest.fixture
def make_proxy(tmp_path: Path) -> MakeProxy:
    @contextmanager
    def make(allowed: Sequence[str], addresses: Sequence[str] | None = None) -> Iterator[Proxy]:
        """With `addresses`, that is what the name service says."""

        async def told(host: str, port: int) -> list[Address]:
            return [ipaddress.ip_address(each) for each in addresses or ()]

        log = RequestLog(tmp_path / "log.jsonl")
        proxy = HostProxy(AllowedHosts.parse(allowed), log, resolve if addresses is None else told)
        with tcp_listener("127.0.0.1") as listener, start_blocking_portal() as portal:
            with portal.wrap_async_context_manager(serving_proxy(proxy, listener)):
                yield Proxy(listener.getsockname()[1], tmp_path / "log.jsonl")
            log.close()

    return make


def test_a_named_host_is_reached_in_both_ways(site: Site, make_proxy: MakeProxy) -> None:
    host = f"localhost:{site.port}"
    with make_proxy([host]) as proxy:
        plain = proxy.say(f"GET http://{host}/a?b=c HTTP/1.1\r\nHost: evil\r\nProxy-X: 1\r\nX: 2\r\n\r\n".encode())
        asked = b"GET /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        tunnel = proxy.say(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), more=asked)
        early = proxy.say(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() + asked, end=True)
    assert plain.startswith(b"HTTP/1.1 200 ")
    assert plain.endswith(b"welcome ")
    assert b"proxy-secret" not in plain.lower()
    for answer in (tunnel, early):
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"welcome ")
    method, path, headers, _ = site.seen[0]
    assert (method, path, headers["host"], headers["x"]) == ("GET", "/a?b=c", host, "2")
    assert "proxy-x" not in headers
    assert [entry[1] for entry in site.seen] == ["/a?b=c", "/t", "/t"]
    lines = proxy.lines()
    assert [(line["method"], line["allowed"], line["status"]) for line in lines] == [
        ("GET", True, 200),
        ("CONNECT", True, 200),
        ("CONNECT", True, 200),
    ]
    assert lines[1]["sent_bytes"] == len(asked)
    assert lines[1]["received_bytes"] > 100
    assert all(line["address"] in ("127.0.0.1", "::1") for line in lines)


def test_bodies_pass_however_they_are_framed(site: Site, make_proxy: MakeProxy) -> None:
    host = f"127.0.0.1:{site.port}"
    begin = f"POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\n"
    with make_proxy([host]) as proxy:
        sized = proxy.say(f"{begin}Content-Length: 3\r\n\r\nabc".encode())
        chunked = proxy.say(f"{begin}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".encode())
        waiting = proxy.say(f"{begin}Content-Length: 3\r\nExpect: 100-continue\r\n\r\n".encode(), more=b"abc")
    assert sized.endswith(b"welcome abc")
    assert chunked.endswith(b"welcome abcde")
    assert waiting.startswith(b"HTTP/1.1 100 ")
    assert waiting.endswith(b"welcome abc")


REFUSED = [
    ("another_host", "CONNECT 127.0.0.2:{port} HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("another_port", "CONNECT localhost:22 HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("no_port", "CONNECT localhost HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("decimal_address", "CONNECT 2130706433:{port} HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("hex_address", "CONNECT 0x7f000001:{port} HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("short_address", "CONNECT 127.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("mapped_address", "CONNECT [::ffff:127.0.0.1]:{port} HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("any_address", "CONNECT 0.0.0.0:{port} HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("password_before_host", "CONNECT localhost:{port}@evil:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("name_within_name", "CONNECT localhost.evil:{port} HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("own_gateway", "CONNECT 127.0.0.1:28110 HTTP/1.1\r\nHost: x\r\n\r\n", 403),
    ("user_in_url", "GET http://localhost:{port}@evil/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("fragment_in_url", "GET http://evil#@localhost:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("backslash_in_url", "GET http://evil\\@localhost:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("host_header_only", "GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n", 400),
    ("named_in_header_only", "GET http://evil/ HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n", 403),
    ("another_scheme", "GET ftp://localhost:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("secure_scheme", "GET https://localhost:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("connect_with_body", "CONNECT localhost:{port} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 400),
    (
        "length_and_chunks",
        "POST http://localhost:{port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\nGET http://localhost:{port}/smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
        400,
    ),
    (
        "two_lengths",
        "POST http://localhost:{port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 30\r\n\r\n",
        400,
    ),
    ("other_coding", "POST http://localhost:{port}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
    ("folded_header", "GET http://localhost:{port}/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nB : d\r\n\r\n", 400),
    ("bare_garbage", "\x16\x03\x01\x02\x00\x01\x00", 400),
]


@pytest.mark.parametrize(("request_text", "status"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_nothing_else_is(request_text: str, status: int, site: Site, make_proxy: MakeProxy) -> None:
    data = request_text.replace("{port}", str(site.port)).encode("latin-1")
    with make_proxy([f"localhost:{site.port}"]) as proxy:
        answer = proxy.say(data, end=True)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert site.seen == []
    assert len(proxy.lines()) == 1
    line = proxy.lines()[0]
    assert (line["allowed"], line["status"]) == (False, status)
    assert line["reason"]


def test_one_connection_is_one_request(site: Site, make_proxy: MakeProxy) -> None:
    host = f"localhost:{site.port}"
    first = f"GET http://{host}/first HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    with make_proxy([host]) as proxy:
        answer = proxy.say(f"{first}GET http://{host}/second HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.count(b"HTTP/1.1 200") == 1
    assert [entry[1] for entry in site.seen] == ["/first"]
    assert site.seen[0][2]["connection"] == "close"


def test_a_name_that_leads_inside_is_refused(site: Site, make_proxy: MakeProxy) -> None:
    with make_proxy([f"good.example:{site.port}"], ["127.0.0.1", "10.0.0.1"]) as proxy:
        answer = proxy.say(f"CONNECT good.example:{site.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"10.0.0.1, 127.0.0.1" in answer
    assert site.seen == []


def test_a_name_that_leads_to_an_address_named_itself_is_not(site: Site, make_proxy: MakeProxy) -> None:
    allowed = [f"good.example:{site.port}", f"127.0.0.1:{site.port}"]
    with make_proxy(allowed, ["10.0.0.1", "127.0.0.1"]) as proxy:
        answer = proxy.say(f"GET http://good.example:{site.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.endswith(b"welcome ")
    assert site.seen[0][2]["host"] == f"good.example:{site.port}"


def test_the_machines_own_name_leads_inside(site: Site, make_proxy: MakeProxy) -> None:
    name = socket.gethostname()
    if not all(ipaddress.ip_address(each[4][0]).is_loopback for each in socket.getaddrinfo(name, site.port)):
        pytest.skip("this machine's name is not one for loopback")
    with make_proxy([f"{name}:{site.port}"]) as proxy:
        assert proxy.say(f"CONNECT {name}:{site.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).startswith(
            b"HTTP/1.1 403 "
        )


def test_who_cannot_be_reached_is_told(make_proxy: MakeProxy) -> None:
    with tcp_listener("127.0.0.1") as closed:
        port = closed.getsockname()[1]
    with make_proxy([f"127.0.0.1:{port}", "no.such.name.invalid"]) as proxy:
        assert b"502" in proxy.say(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b"has no address" in proxy.say(b"CONNECT no.such.name.invalid:443 HTTP/1.1\r\nHost: x\r\n\r\n")


def test_a_tunnel_ends_with_the_proxy(make_proxy: MakeProxy) -> None:
    with tcp_listener("127.0.0.1") as silent:
        port = silent.getsockname()[1]
        with (
            make_proxy([f"127.0.0.1:{port}"]) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port), 10) as tunnel,
        ):
            tunnel.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert tunnel.recv(1000).startswith(b"HTTP/1.1 200")
    (line,) = proxy.lines()
    assert (line["allowed"], line["reason"]) == (True, "ended with the attempt")
