"""What the harness itself costs for one step of its agent: everything but the model and the tools.

Whole sessions of the agent's loop run against a model server that is a process of its own and answers at once, over
either wire, with the real SDK, the real shell and a real trajectory on disk. Of the time between two calls of the
model, what the server took for its answer and what the tool took for its work are subtracted. What is left is ours:
choosing what the model sees, building and sending the request, reading the stream, checking and recording the call.

    python -m benchmarks.agent_step --steps 200 --sessions 10
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agent.budget import Limits
from agent.loop import run_agent
from agent.messages import Message, ModelTurn, ToolSpec
from agent.model import Model
from agent.openai_model import new_model
from agent.shell import run_command
from agent.trajectory import Trajectory
from agent.workbench import CommandResult, Report

OUTPUT_BYTES = 4_000
REPORT = "Geometric mean: 1.31x [1.30, 1.32] from 6 sessions."
# Every so many steps the model measures; it runs commands at all others.
MEASURES_EVERY = 10


class TimedBench:
    """A workbench whose shell is real; remembers when a tool was at work."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.worked: list[float] = []

    def run(self, command: str, *, seconds: float) -> CommandResult:
        start = time.perf_counter()
        result = run_command(command, cwd=self.root, env={"PATH": os.environ["PATH"]}, seconds=seconds)
        self.worked.append(time.perf_counter() - start)
        return result

    def measure(self) -> Report:
        self.worked.append(0.0)
        return Report(REPORT)

    def run_tests(self) -> Report:
        return self.measure()

    def profile(self) -> Report:
        return self.measure()


class TimedModel:
    """A model that remembers when it was asked."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name = model.name
        self.asked: list[float] = []

    def complete(self, history: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelTurn:
        self.asked.append(time.perf_counter())
        return self._model.complete(history, tools)


@dataclass
class Session:
    """Seconds of our own for each step, and of the tools and the server beside them."""

    ours: list[float] = field(default_factory=list)
    tools: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)


def run_session(wire: str, steps: int, url: str) -> Session:
    """One session of so many steps."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "hot.py").write_text("x = 1  # a line of a file\n" * (OUTPUT_BYTES // 26))
        bench = TimedBench(root)
        model = TimedModel(new_model("m", base_url=url, wire="chat" if wire == "chat" else "responses"))
        _served(url)  # what went before is no part of this
        with Trajectory(root / "trajectory.jsonl") as record:
            limits = Limits(steps=steps + 1, seconds=3600, usd=None, tokens=10**12)
            run_agent(model, bench, "p" * 12_000, limits, record)
        end = time.perf_counter()
        served = _served(url)
    times = [*model.asked, end]
    session = Session(tools=bench.worked[:steps], server=served[:steps])
    for number in range(steps):
        whole = times[number + 1] - times[number]
        session.ours.append(whole - session.tools[number] - session.server[number])
    return session


def _served(url: str) -> list[float]:
    """What the server took for each answer since it was last asked."""
    with urllib.request.urlopen(f"{url}/served") as answer:
        return [float(seconds) for seconds in json.load(answer)]


# The server


class Handler(BaseHTTPRequestHandler):
    """Answers every request at once with a tool call, and remembers how long the answer took it."""

    protocol_version = "HTTP/1.1"
    server: Answering

    def do_GET(self) -> None:
        body = json.dumps(self.server.took).encode()
        self.server.took.clear()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        start = time.perf_counter()
        number = len(self.server.took)
        events = _responses(number) if self.path.endswith("/responses") else _chat(number)
        stream = "".join(events).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(stream)))
        self.end_headers()
        self.wfile.write(stream)
        self.server.took.append(time.perf_counter() - start)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class Answering(ThreadingHTTPServer):
    """Keeps what its answers took, in seconds."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.took: list[float] = []


def _call(number: int) -> tuple[str, str]:
    if number % MEASURES_EVERY == MEASURES_EVERY - 1:
        return "measure", "{}"
    return "shell", json.dumps({"command": "cat hot.py"})


def _responses(number: int) -> Iterator[str]:
    name, arguments = _call(number)
    usage = {"input_tokens": 1000, "output_tokens": 300, "total_tokens": 1300}
    items = [
        {"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": "e" * 1_000},
        {"type": "function_call", "id": f"fc_{number}", "call_id": f"c{number}", "name": name, "arguments": arguments},
    ]
    response = {"id": "r", "object": "response", "status": "completed", "output": items, "usage": usage}
    events: list[dict[str, Any]] = [{"type": "response.output_item.done", "item": item} for item in items]
    events.append({"type": "response.completed", "response": response})
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


def _chat(number: int) -> Iterator[str]:
    name, arguments = _call(number)
    call = {"index": 0, "id": f"c{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
    usage = {"prompt_tokens": 1000, "completion_tokens": 300, "total_tokens": 1300}
    for choices, extra in (
        ([{"index": 0, "delta": {"content": "I look at it. " * 20}, "finish_reason": None}], {}),
        ([{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}], {}),
        ([], {"usage": usage}),
    ):
        yield f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'choices': choices, **extra})}\n\n"
    yield "data: [DONE]\n\n"


@contextmanager
def server_process() -> Iterator[str]:
    """The server, in a process of its own; gives its URL."""
    line = [sys.executable, "-m", "benchmarks.agent_step", "--serve"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


# The report


def interval(values: Sequence[float]) -> str:
    """Mean of the sessions' values and its 95 % interval (Student's t), in milliseconds."""
    from scipy.stats import t  # noqa: PLC0415 - slow to import

    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean * 1e3:6.2f}"
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean * 1e3:6.2f} [{(mean - half) * 1e3:.2f}, {(mean + half) * 1e3:.2f}]"


def report(wire: str, sessions: Sequence[Session]) -> Iterator[str]:
    """What came out for one wire."""
    steps = len(sessions[0].ours)
    yield f"{wire}: {len(sessions)} sessions of {steps} steps, milliseconds a step [95 % over sessions]"
    yield f"  ours, all steps      {interval([statistics.fmean(session.ours) for session in sessions])}"
    quarter = max(1, steps // 4)
    for first in range(0, steps, quarter):
        part = [statistics.fmean(session.ours[first : first + quarter]) for session in sessions]
        yield f"  ours, steps {first + 1:3}-{min(first + quarter, steps):3}  {interval(part)}"
    slowest = [sorted(session.ours)[int(0.99 * (steps - 1))] for session in sessions]
    yield f"  ours, 99th percentile{interval(slowest)}"
    yield f"  the shell, not ours  {interval([statistics.fmean(session.tools) for session in sessions])}"
    yield f"  the server, not ours {interval([statistics.fmean(session.server) for session in sessions])}"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        server = Answering()
        print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
        server.serve_forever()
        return
    os.environ["NO_PROXY"] = "127.0.0.1"
    with server_process() as url:
        for wire in ("responses", "chat"):
            run_session(wire, 20, url)  # imports, and the SDK's first types
            for line in report(wire, [run_session(wire, options.steps, url) for _ in range(options.sessions)]):
                print(line, flush=True)


if __name__ == "__main__":
    main()
