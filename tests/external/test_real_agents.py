"""The real Codex CLI and the real mini-swe-agent through `harness run`: only the model behind them is scripted.

`make test-external` installs both under .external and runs these tests.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai_server import Json, Reply, Server, function_call, message, responses, send_json
from tiny_task import TinyTask

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KEY = "sk-planted-0123456789abcdef"
# Where `make external-agents` puts them.
PROGRAMS = {
    "codex": ("HARNESS_CODEX", ROOT / ".external" / "codex" / "node_modules" / ".bin" / "codex"),
    "mini": ("HARNESS_MINI", ROOT / ".external" / "mini" / "bin" / "mini"),
}
PATCH = """\
apply_patch <<'EOF'
*** Begin Patch
*** Update File: tiny/core.py
@@
-        for _ in range(20):  # the work a first version does too often
-            square = value * value
+        square = value * value
*** End Patch
EOF
"""


def codex_shell(number: int, command: str) -> Reply:
    arguments = json.dumps({"cmd": command, "yield_time_ms": 30_000})
    return responses(function_call("exec_command", arguments, f"call_{number}"))


def codex_mcp(number: int, tool: str) -> Reply:
    return responses(function_call(tool, "{}", f"call_{number}") | {"namespace": "mcp__harness"})


def mini_shell(number: int, *commands: str) -> Reply:
    calls = [
        {
            "id": f"call_{number}_{place}",
            "type": "function",
            "function": {"name": "bash", "arguments": json.dumps({"command": command})},
        }
        for place, command in enumerate(commands)
    ]
    said = {"role": "assistant", "content": "Next.", "tool_calls": calls}
    usage = {"prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130}
    return send_json(
        200,
        {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "stub-model",
            "choices": [{"index": 0, "message": said, "finish_reason": "tool_calls"}],
            "usage": usage | {"prompt_tokens_details": {"cached_tokens": 60}},
        },
    )


@contextmanager
def serving(replies: list[Reply]) -> Iterator[Server]:
    server = Server(replies)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Done:
    """A run that is over."""

    verdict: Json
    attempt: Path
    server: Server

    @property
    def patch(self) -> str:
        return (self.attempt / "model_patch.diff").read_text()

    @property
    def events(self) -> list[Json]:
        return [json.loads(line) for line in (self.attempt / "trajectory.jsonl").read_text().splitlines()]

    def results(self, name: str) -> list[str]:
        """What a tool gave back, each time."""
        found = [event["result"] for event in self.events if "result" in event]
        return [result["output"] for result in found if result["name"] == name]


def run(tiny: TinyTask, folder: Path, agent: str, *replies: Reply) -> Done:
    """A whole `harness run` with one attempt of a real program."""
    variable, installed = PROGRAMS[agent]
    program = Path(os.environ.get(variable, installed))
    if not program.exists():
        pytest.fail(f"{program} is not there. Install it with: make external-agents")
    with serving(list(replies)) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "harness.cli", "run", str(tiny.file), "--json"),
                *("--agent", agent, "-m", "stub-model", "--base-url", server.url),
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": KEY, variable: str(program)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    last: dict[str, Any] = json.loads((done.stdout.splitlines() or ["{}"])[-1])
    assert last.get("event") == "run_finished", done.stderr
    [verdict] = last["attempts"]
    return Done(verdict, next((folder / "runs").glob("*/001")), server)


def assert_judged(done: Done, agent: str, requests: int) -> None:
    """The patch is judged and faster, every request is in the ledger, and the key stayed outside."""
    verdict = done.verdict
    assert verdict["status"] == "faster", verdict["message"]
    assert (verdict["agent"], verdict["model"]) == (agent, "stub-model")
    assert re.search(r"\d+\.\d+", verdict["agent_version"])
    assert re.search(r"^-        for _ in range\(20\)", done.patch, re.MULTILINE)
    cost = verdict["cost"]
    assert (cost["steps"], cost["tokens"]["estimated"]) == (requests, 0)
    assert (cost["tokens"]["input"], cost["tokens"]["output"]) == (requests * 100, requests * 30)
    assert len(done.server.requests) == requests and not done.server.replies
    assert {request.authorization for request in done.server.requests} == {f"Bearer {KEY}"}
    assert done.events[-1]["event"] == "end"
    kept = [path for path in done.attempt.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert not kept


def test_codex(tiny: TinyTask, tmp_path: Path) -> None:
    """It reads, patches with its own apply_patch, and uses our tools as MCP tools and as commands."""
    done = run(
        tiny,
        tmp_path,
        "codex",
        codex_shell(1, "cat tiny/core.py; env; git log --oneline | wc -l"),
        codex_shell(2, PATCH),
        codex_mcp(3, "run_tests"),
        codex_shell(4, "submit 'one multiplication'"),
        responses(message("I removed the repeated work.")),
    )
    assert_judged(done, "codex", requests=5)
    called = Counter(event["result"]["name"] for event in done.events if "result" in event)
    assert called["run_tests"] == called["submit"] == 1
    assert "2 tests passed" in done.results("run_tests")[0]
    looked = done.results("shell")[0]
    assert "the work a first version does too often" in looked and "OPENAI_API_KEY" not in looked
    assert "2 tests passed" in json.dumps(done.server.requests[3].body)
    assert all(request.path.endswith("/responses") for request in done.server.requests)


def test_mini(tiny: TinyTask, tmp_path: Path) -> None:
    """It reads, edits and tests with its one tool, and ends in its own way."""
    done = run(
        tiny,
        tmp_path,
        "mini",
        mini_shell(1, "cat tiny/core.py; git log --oneline | wc -l"),
        mini_shell(2, "sed -i 's/range(20)/range(1)/' tiny/core.py", "run_tests"),
        mini_shell(3, "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"),
    )
    assert_judged(done, "mini", requests=3)
    assert "the work a first version does too often" in done.results("shell")[0]
    assert "2 tests passed" in done.results("run_tests")[0]
    assert "2 tests passed" in json.dumps(done.server.requests[2].body)
    assert all(request.path.endswith("/chat/completions") for request in done.server.requests)
