"""Through the openings for a model and for named hosts, nothing but these is reached."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from attempts import Attempt
from field import SANDBOXES, SECRET, Field, make_field
from network_attempts import KEY, PROXY

from agent.budget import Budget, Limits
from harness.network import Access, Endpoint, open_access
from harness.sandbox import NoSandbox, Sandbox

pytestmark = pytest.mark.slow

OPEN = sorted(name for name, sandbox in SANDBOXES.items() if sandbox.separates_processes)
CONTROLS = [attempt for attempt in PROXY if attempt.control]


class Mirror(BaseHTTPRequestHandler):
    """A server that tells whoever asks: the secret, or as the endpoint, the key it was sent."""

    tells: str | None = None

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = self.tells or str(self.headers["Authorization"])
        data = f'data: {{"told": {json.dumps(told)}}}\n\n'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("X-Told", told)
        self.end_headers()
        for at in range(0, len(data), 7):
            self.wfile.write(data[at : at + 7])
            self.wfile.flush()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Telling(Mirror):
    tells = SECRET


@contextlib.contextmanager
def serving(handler: type[Mirror]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def opened(ground: Field, sandbox: Sandbox, web: int, endpoint: int, *, named: bool) -> Iterator[Access]:
    """Access as an agent has it; with `named` also to where it should not get."""
    hosts = ["allowed.example", f"{socket.gethostname()}:{web}"]
    hosts += [f"127.0.0.1:{web}", f"localhost:{web}"] if named else []
    model = Endpoint(f"http://127.0.0.1:{endpoint}/v1", SECRET)
    budget = Budget(Limits(steps=100, seconds=600, usd=None, tokens=10**6))
    log = ground.root / "outside" / "log.jsonl"
    with open_access(model, hosts, budget, log, sandbox=sandbox) as access:
        gateway, proxy = access.environment["OPENAI_BASE_URL"], access.environment["HTTP_PROXY"]
        ground.services |= dict(access.environment) | {
            "WEB_PORT": str(web),
            "LOG": str(log),
            "SOCKETS": str(access.readable[0]) if access.readable else "",
            "GATEWAY_PORT": gateway.removesuffix("/v1").rpartition(":")[2],
            "PROXY_PORT": proxy.rpartition(":")[2],
        }
        yield access


@pytest.mark.parametrize("attempt", [*PROXY, *KEY], ids=lambda attempt: attempt.name)
@pytest.mark.parametrize("name", OPEN or [pytest.param("none", marks=pytest.mark.skip("no sandbox works here"))])
def test_it_fails(attempt: Attempt, name: str, tmp_path: Path) -> None:
    with make_field(tmp_path / "field") as ground, serving(Telling) as web, serving(Mirror) as endpoint:
        with opened(ground, SANDBOXES[name], web, endpoint, named=False) as access:
            before, harness = ground.picture(), ground.harness_state()
            result = ground.attempt(attempt.body, access)
            after = ground.picture()
        log = str(ground.root / "outside" / "log.jsonl")
        changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        assert "DONE" in result.output, result.output
        assert "ESCAPED" not in result.output, result.output
        assert changed <= {log}
        assert ground.harness_state() == harness


@pytest.mark.parametrize("attempt", CONTROLS, ids=lambda attempt: attempt.name)
def test_it_gets_through_where_the_host_is_named(attempt: Attempt, tmp_path: Path) -> None:
    with make_field(tmp_path / "field") as ground, serving(Telling) as web, serving(Mirror) as endpoint:
        with opened(ground, NoSandbox(), web, endpoint, named=True) as access:
            # The openings are at another address of the loopback then.
            body = attempt.body.replace('(("127.0.0.1", int(env[port]))', '(("127.0.0.2", int(env[port]))')
            result = ground.attempt(body, access)
        assert "ESCAPED" in result.output, result.output
