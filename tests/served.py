"""The local pages, really served: uvicorn in a thread, on a free port of loopback."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from harness.view.guard import LOOPBACK_NAMES
from harness.view.library import Library
from harness.view.pages import make_app


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True)
class Served:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """One request, its path sent as it is; `host_` names another host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {key.rstrip("_").replace("_", "-"): value for key, value in headers.items()}
        try:
            connection.request(method, path, headers=sent)
            answer = connection.getresponse()
            body = answer.read().decode("utf-8", "replace")
            return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, body)
        finally:
            connection.close()


@contextmanager
def served(out: Path, token: str | None = None) -> Iterator[Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = make_app(Library(out), LOOPBACK_NAMES, token)
    config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    give_up = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < give_up, "the server did not start"
        time.sleep(0.02)
    try:
        yield Served(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
