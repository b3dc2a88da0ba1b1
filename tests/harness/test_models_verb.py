"""`harness models`, as a program against a real server: what it lists, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai_server import Handler, Reply, Server, error, send_json

ROOT = Path(__file__).resolve().parents[2]
LIST = {
    "object": "list",
    "data": [
        {"id": "qwen3-coder", "object": "model", "max_model_len": 32_768},
        {"id": "gpt-5", "object": "model"},
        {"id": "<b>\x1b[2J", "object": "model"},
        "nonsense",
    ],
}

Serve = Callable[[Reply], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(answer: Reply) -> Server:
        server = Server([], models=answer)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def models(tmp_path: Path, *arguments: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "models", *arguments],
        cwd=tmp_path,
        env=environment | ({"OPENAI_API_KEY": key} if key else {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_lists_names_prices_and_contexts(serve: Serve, tmp_path: Path) -> None:
    url = serve(send_json(200, LIST)).url
    listed = models(tmp_path, "--base-url", url, "--json")
    assert listed.returncode == 0, listed.stderr
    document = json.loads(listed.stdout)
    assert document["base_url"] == url
    known = {model["id"]: model for model in document["models"]}
    assert list(known) == sorted(known)
    assert known["qwen3-coder"]["context_tokens"] == 32_768
    assert known["qwen3-coder"]["usd_per_million_tokens"] == {"input": 0, "cached": 0, "output": 0}
    assert known["gpt-5"]["usd_per_million_tokens"]["output"] > 0
    shown = models(tmp_path, "--base-url", url)
    assert "32,768" in shown.stdout
    assert "\x1b" not in shown.stdout


@pytest.mark.parametrize("body", [{"models": [{"name": "a"}]}, [{"id": "a"}]], ids=["llama.cpp", "a bare list"])
def test_other_shapes_of_a_list_are_understood(serve: Serve, tmp_path: Path, body: object) -> None:
    listed = models(tmp_path, "--base-url", serve(send_json(200, body)).url, "--json")  # type: ignore[arg-type]
    assert [model["id"] for model in json.loads(listed.stdout)["models"]] == ["a"]


def html(handler: Handler) -> None:
    page = b"<html>welcome</html>"
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(page)))
    handler.end_headers()
    handler.wfile.write(page)


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (error(401, "wrong key: sk-planted-in-this-test"), 2, "refuses the key"),
        (error(404, "nothing here"), 4, "has no list of models"),
        (error(500, "sorry"), 4, "status 500"),
        (send_json(200, {"data": "no"}), 4, "no list of models"),
        (html, 4, "not JSON"),
    ],
    ids=["401", "404", "500", "no list", "not JSON"],
)
def test_every_problem_is_one_clear_message(serve: Serve, tmp_path: Path, answer: Reply, code: int, words: str) -> None:
    ended = models(tmp_path, "--base-url", serve(answer).url, key="sk-planted-in-this-test")
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr
    assert "sk-planted" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "OPENAI_API_KEY"),
        (("--base-url", "http://127.0.0.1:9/v1"), 4, "cannot be reached"),
        (("--base-url", "localhost:8000"), 2, "not the address"),
    ],
)
def test_without_a_server_or_a_key(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    ended = models(tmp_path, *arguments)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
