"""What the tests of the network share: an endpoint on loopback, and a command inside that asks it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from openai_server import Reply, Server

from agent.budget import Budget, Limits, Prices
from agent.shell import run_command
from agent.workbench import CommandResult
from harness.network import Access
from harness.sandbox import Confinement, scrubbed_environment

KEY = "sk-the-real-one-8d41"


@contextmanager
def endpoint_server(*replies: Reply) -> Iterator[Server]:
    """An endpoint that plays these replies in turn."""
    with Server(list(replies)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def new_budget(
    steps: int = 100, seconds: float = 600, usd: float | None = None, tokens: int = 10**6, prices: Prices | None = None
) -> Budget:
    return Budget(Limits(steps=steps, seconds=seconds, usd=usd, tokens=tokens), prices)


def run_inside(access: Access, root: Path, command: str, seconds: float = 20.0) -> CommandResult:
    """Run a bash command as an agent would be."""
    tree, scratch = root / "tree", root / "scratch"
    tree.mkdir(exist_ok=True)
    environment = scrubbed_environment(tree, scratch) | dict(access.environment)
    wrap = access.wrap(Confinement(writable=(tree, scratch)))
    return run_command(command, cwd=tree, env=environment, seconds=seconds, wrap=wrap)


def python_inside(access: Access, root: Path, script: str, seconds: float = 20.0) -> CommandResult:
    """Run a Python script as an agent would be."""
    return run_inside(access, root, f"{shlex.quote(sys.executable)} -c {shlex.quote(PROLOGUE + script)}", seconds)


def log_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


PROLOGUE = """
import http.client, json, os, socket, sys, time, urllib.error, urllib.request
BASE, KEY = os.environ.get("OPENAI_BASE_URL", ""), os.environ.get("OPENAI_API_KEY", "")
def ask(path, body=None, key=KEY, **headers):
    data = None if body is None else json.dumps(body).encode()
    all_headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json", **headers}
    try:
        reply = urllib.request.urlopen(urllib.request.Request(BASE + path, data, all_headers))
    except urllib.error.HTTPError as error:
        reply = error
    return reply.status, dict(reply.headers), reply.read()
RESPONSES = {"model": "m", "input": "x", "stream": True}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
"""

__all__: Sequence[str] = ("KEY", "endpoint_server", "log_lines", "new_budget", "python_inside", "run_inside")
