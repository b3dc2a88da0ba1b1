"""Live attempts, end to end: the `harness` program, a real server that behaves badly, and nothing of ours replaced."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai_server import (
    REASONING,
    Reply,
    Server,
    chat,
    delta,
    error,
    function_call,
    message,
    piece,
    responses,
    stream,
)
from tiny_task import TinyTask

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SERVER_FOLDER = ROOT / "tests" / "agent"
KEY = "sk-planted-0123456789abcdef"
PRICE = "1,0.1,10"
# What the server says that every whole answer costs.
INPUT, CACHED, OUTPUT, REASONED = 100, 60, 30, 20

FAST = """\
*** Begin Patch
*** Update File: tiny/core.py
@@
-        for _ in range(20):  # the work a first version does too often
-            square = value * value
+        square = value * value
*** End Patch
"""
# Where a command can look for the key: its environment and command line, and those of all processes above it.
SNOOP = """\
env | grep -a -e PATH= -e KEY -e sk-
p=$$
while [ "$p" -ge 1 ] && [ -r /proc/$p/status ]; do
  tr '\\0' '\\n' < /proc/$p/environ | grep -a -e KEY -e sk-
  tr '\\0' ' ' < /proc/$p/cmdline | cut -c1-300
  p=$(awk '/^PPid/ {print $2}' /proc/$p/status)
done 2>&1; true
"""

Say = Callable[..., Reply]


def say_responses(name: str, **arguments: object) -> Reply:
    return responses(REASONING, function_call(name, json.dumps(arguments)))


def say_chat(name: str, **arguments: object) -> Reply:
    return chat(piece(0, call_id="call_1", name=name, arguments=json.dumps(arguments)), finish="tool_calls")


class Script:
    """What a wire's server answers, well and badly."""

    def __init__(self, wire: str) -> None:
        self.wire = wire
        self.say: Say = say_responses if wire == "responses" else say_chat

    def text(self, text: str) -> Reply:
        return responses(message(text)) if self.wire == "responses" else chat(delta(content=text))

    def malformed(self) -> Reply:
        broken = '{"command": "ls'
        if self.wire == "responses":
            return responses(function_call("shell", broken))
        return chat(piece(0, call_id="call_1", name="shell", arguments=broken), finish="tool_calls")

    def dropped(self) -> Reply:
        """Half an answer: 40 characters, and then the connection is gone."""
        if self.wire == "responses":
            return responses(message("x" * 40), cut=True)
        return stream([delta(content="x" * 40)], named=False, cut=True)

    def slow(self, name: str, **arguments: object) -> Reply:
        """A whole answer, a piece at a time."""
        text = json.dumps(arguments)
        if self.wire == "responses":
            return responses(function_call(name, text), pause=0.2)
        return chat(
            piece(0, call_id="call_1", name=name, arguments=text[:5]),
            piece(0, arguments=text[5:]),
            finish="tool_calls",
            pause=0.2,
        )


@contextmanager
def serving(*replies: Reply) -> Iterator[Server]:
    server = Server(list(replies))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Run:
    """A `harness run` of the tiny task against a model server."""

    def __init__(self, tiny: TinyTask, tmp_path: Path, url: str, *options: str) -> None:
        self.folder = tmp_path
        arguments = ["-m", "m", "--base-url", url, "--price", PRICE, "--json", "--keep-worktrees", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", "run", str(tiny.file), *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": KEY, "NO_PROXY": "127.0.0.1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = ""

    def wait_for(self, event: str, **fields: object) -> None:
        """Read on until the run tells of this event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            found = json.loads(line)
            if found["event"] == event and all(found.get(name) == value for name, value in fields.items()):
                return
        pytest.fail(f"the run ended without {event}: {self.said[-2000:]}")

    def finish(self) -> dict[str, Any]:
        """Wait for the end; gives the verdict on the only attempt."""
        said, errors = self.process.communicate(timeout=120)
        self.said += said
        self.errors = errors
        last = json.loads(self.said.splitlines()[-1])
        assert last["event"] == "run_finished", errors
        [verdict] = last["attempts"]
        return dict(verdict)

    @property
    def attempt(self) -> Path:
        return next((self.folder / "runs").glob("*/001"))

    def trajectory(self, event: str) -> list[dict[str, Any]]:
        return entries(self.attempt, event)

    def everything_left(self) -> Iterator[tuple[str, bytes]]:
        """All that can be read afterwards: what was printed, and every file of the run."""
        yield "stdout", self.said.encode()
        yield "stderr", self.errors.encode()
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()


def entries(attempt: Path, event: str) -> list[dict[str, Any]]:
    """The entries of one kind in an attempt's trajectory."""
    lines = (attempt / "trajectory.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["event"] == event]


def assert_ledger_is_right(cost: dict[str, Any], answers: int, estimated: int) -> None:
    """The ledger holds what the server reported, to the token, and beside it only what is marked as an estimate."""
    tokens = cost["tokens"]
    assert tokens["estimated"] == estimated
    assert tokens["cached"] == answers * CACHED
    assert tokens["reasoning"] == answers * REASONED
    assert tokens["input"] + tokens["output"] - estimated == answers * (INPUT + OUTPUT)
    usd = (tokens["input"] - tokens["cached"]) * 1 + tokens["cached"] * 0.1 + tokens["output"] * 10
    assert cost["usd"] == pytest.approx(usd / 1e6, rel=1e-6)


@pytest.mark.parametrize("wire", ["responses", "chat"])
def test_an_attempt_survives_everything_a_server_can_do(tiny: TinyTask, tmp_path: Path, wire: str) -> None:
    (tiny.folder / "target" / "AGENTS.md").write_text("Write plain loops here.\n")
    script = Script(wire)
    long = script.say("shell", command="seq 1 4000; # " + "x" * 200)
    replies = [
        error(429, "slow down", retry_after="0.2"),
        script.slow("shell", command="cat tiny/core.py tiny/__init__.py"),
        error(500),
        script.dropped(),
        script.malformed(),
        long,
        long,
        long,
        error(400, "This model's maximum context length is 16000 tokens. However, you requested 17000."),
        script.text("I read tiny/core.py: it squares every value 20 times."),  # the summary it is then asked for
        script.say("apply_patch", patch=FAST),
        script.say("run_tests"),
        script.say("submit", summary="one multiplication a value"),
    ]
    with serving(*replies) as server:
        run = Run(tiny, tmp_path, server.url, "--wire", wire)
        verdict = run.finish()
        requests = server.requests
    assert verdict["status"] == "faster", (verdict["message"], run.errors)
    assert len(requests) == len(replies)
    assert {request.path for request in requests} == {
        "/v1/responses" if wire == "responses" else "/v1/chat/completions"
    }
    assert {request.authorization for request in requests} == {f"Bearer {KEY}"}

    # 9 whole answers: 8 turns and the summary. The call that was refused as too long is a step as well.
    assert verdict["cost"]["steps"] == 10
    dropped = verdict["cost"]["tokens"]["estimated"]
    assert dropped > 1_000
    assert_ledger_is_right(verdict["cost"], answers=9, estimated=dropped)
    turns = run.trajectory("turn")
    assert len(turns) == 8
    assert [turn["turn"]["usage"]["estimated"] for turn in turns] == [0, dropped, 0, 0, 0, 0, 0, 0]
    assert run.trajectory("end")[0]["bad_calls"] == 1
    [room] = run.trajectory("compaction")
    assert (room["how"], room["turn"]["usage"]["input"]) == ("summary", INPUT)
    for part in ("squares every value 20 times", "Files read: tiny/core.py, tiny/__init__.py"):
        assert part in room["note"]

    # After it the agent was shown the summary and none of what was left out; the record is whole.
    asked = json.dumps(requests[-3].body)
    assert "squares every value 20 times" in asked
    assert len(asked) < len(json.dumps(requests[-5].body)) / 2
    assert sum("3999" in entry["result"]["output"] for entry in run.trajectory("tool_result")) == 3
    assert "Write plain loops here." in json.dumps(requests[0].body)


def test_the_key_is_nowhere(tiny: TinyTask, tmp_path: Path) -> None:
    """The key in no process, record, log or journal: not with a sandbox, and not without one either."""
    say = Script("responses").say
    replies = [
        say("shell", command=SNOOP),
        error(401, f"Incorrect API key provided: {KEY}."),
    ]
    for sandbox in ("auto", "none"):
        folder = tmp_path / sandbox
        folder.mkdir()
        with serving(*replies) as server:
            run = Run(tiny, folder, server.url, "--wire", "responses", "--sandbox", sandbox)
            run.wait_for("run_started")
            with watching_environments(run.process.pid) as seen:
                verdict = run.finish()
            # The server was really sent it, and the command really looked.
            assert {request.authorization for request in server.requests} == {f"Bearer {KEY}"}
        assert verdict["status"] == "agent_failed", verdict["message"]
        [snooped] = [entry["result"]["output"] for entry in run.trajectory("tool_result")]
        assert "PATH=" in snooped
        assert (f"OPENAI_API_KEY={'x' * len(KEY)}" in snooped) is (sandbox == "none" and os.geteuid() == 0)
        assert seen.processes > 5
        assert seen.with_key == set()
        leaks = [where for where, content in run.everything_left() if KEY.encode() in content]
        assert leaks == []


class Seen:
    """What an observer outside saw of a run's processes: how many, and which of them had the key."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.with_key: set[str] = set()

    @property
    def processes(self) -> int:
        return len(self.pids)

    def look(self, family: list[psutil.Process]) -> None:
        for process in family:
            try:
                shown = Path(f"/proc/{process.pid}/environ").read_bytes()
                line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            except OSError:
                continue
            self.pids.add(process.pid)
            if KEY.encode() in shown + line:
                self.with_key.add(line.replace(b"\0", b" ").decode()[:200])


@contextmanager
def watching_environments(pid: int) -> Iterator[Seen]:
    """Look at a process and all below it, over and over, while the block lasts."""
    seen, stop = Seen(), threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            try:
                root = psutil.Process(pid)
                seen.look([root, *root.children(recursive=True)])
            except psutil.Error:
                continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


class ServerProcess:
    """A model server that can be killed: a process of its own, on a port that can be used again."""

    def __init__(self, port: int, replies: str) -> None:
        code = (
            f"import sys; sys.path.insert(0, {str(SERVER_FOLDER)!r})\n"
            "from openai_server import *\n"
            f"server = Server([{replies}], port={port})\n"
            "print('up', flush=True)\n"
            "server.serve_forever(0.01)\n"
        )
        self.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("comes_back", [False, True], ids=["for good", "for a moment"])
def test_a_server_killed_in_the_middle(tiny: TinyTask, tmp_path: Path, comes_back: bool) -> None:
    def call(name: str, **arguments: object) -> str:
        return f"responses(function_call({name!r}, {json.dumps(json.dumps(arguments))}))"

    port = free_port()
    # The third answer begins, and goes on for a minute.
    text = {"type": "response.output_text.delta", "delta": "thinking", "item_id": "i", "output_index": 0}
    endless = f"stream([{text | {'content_index': 0, 'logprobs': []}!r}] * 600, named=True, pause=0.1)"
    patch, cat = call("apply_patch", patch=FAST), call("shell", command="cat tiny/core.py")
    first = ServerProcess(port, ", ".join([cat, patch, endless]))
    run = Run(tiny, tmp_path, f"http://127.0.0.1:{port}/v1", "--wire", "responses", "--patience", "3")
    run.wait_for("agent_step", tool="apply_patch")
    time.sleep(1.0)
    first.kill()
    second = ServerProcess(port, call("submit", summary="one multiplication a value")) if comes_back else None
    verdict = run.finish()
    if second is not None:
        second.kill()

    # The try that the server died in: the only one, or the one before a second that found nobody.
    folder = run.attempt if comes_back else run.attempt / "try-1"
    assert "range(20)" in (folder / "model_patch.diff").read_text()
    [ended] = entries(folder, "end")
    tokens = ended["usage"]
    # What was sent, and "thinking" some ten times over: a try that broke off is not free.
    assert tokens["estimated"] > 1_000
    if comes_back:
        assert verdict["status"] == "faster", verdict["message"]
        assert verdict["cost"]["tokens"] == tokens
        assert ended["ended"] == "submitted"
        assert_ledger_is_right(verdict["cost"], answers=3, estimated=tokens["estimated"])
    else:
        assert (verdict["status"], verdict["cause"]) == ("infra_failed", "model_unreachable")
        assert run.process.returncode == 4
        assert ended["ended"] == "model_error"
        # What its tries cost together, and why they failed said once.
        assert verdict["cost"]["tokens"]["input"] >= tokens["input"] and verdict["cost"]["steps"] >= ended["steps"]
        assert verdict["message"].endswith("(The agent ended by itself: model_error.)")
        cost = {"tokens": tokens, "usd": ended["usd"]}
        assert_ledger_is_right(cost, answers=2, estimated=tokens["estimated"])
