"""The doctor: sees what is missing, says what to do, and asks a real endpoint."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.doctor import Check, Where, examine


class Models(BaseHTTPRequestHandler):
    """An endpoint that lists one model to whoever has the right key."""

    def do_GET(self) -> None:
        right = self.headers.get("Authorization") == "Bearer right"
        known = self.path == "/v1/models"
        body = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode()
        self.send_response(404 if not known else 200 if right else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Models)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def looked(tmp_path: Path, base_url: str | None = None) -> dict[str, Check]:
    return {check.name: check for check in examine(Where(tmp_path / "runs", tmp_path / "worktrees", base_url))}


def test_everything_is_looked_at_and_what_is_not_ok_has_a_remedy(tmp_path: Path) -> None:
    found = looked(tmp_path)
    assert {"system", "git", "sandbox", "GPU", "clock", "CPU", "gate", "disk (--out)", "key", "endpoint"} <= set(found)
    assert found["git"].state == "ok"
    assert found["calibration"].state == "note"
    assert all(check.remedy for check in found.values() if check.state != "ok")
    assert list(tmp_path.iterdir()) == []  # it changes nothing


def test_a_missing_git_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert looked(tmp_path)["git"].state == "problem"


@pytest.mark.parametrize(
    ("key", "path", "state", "words"),
    [
        ("right", "", "ok", "1 model"),
        ("wrong", "", "problem", "refuses the key"),
        ("right", "/elsewhere", "note", "status 404"),
    ],
)
def test_the_endpoint_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, key: str, path: str, state: str, words: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    check = looked(tmp_path, endpoint + path)["endpoint"]
    assert (check.state, words in check.found) == (state, True), check
    assert key not in check.model_dump_json()


def test_an_endpoint_that_is_not_there_is_a_problem(tmp_path: Path, endpoint: str) -> None:
    port = int(endpoint.rpartition(":")[2].partition("/")[0])
    check = looked(tmp_path, f"http://127.0.0.1:{port + 1 if port < 65535 else 1}/v1")["endpoint"]
    assert check.state == "problem"
    assert "does not answer" in check.found


def test_folders_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = {check.name: check for check in examine(Where(tmp_path / "file" / "runs", tmp_path / "worktrees"))}
    assert found["disk (--out)"].state == "problem"
    assert found["disk (--worktrees)"].state != "problem"
