"""`harness mcp`: a client of the protocol, a checkout, and the clock and the judge between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import psutil
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from tiny_task import TinyTask

ROOT = Path(__file__).parents[3]
HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def line(tiny: TinyTask, *options: str) -> list[str]:
    return [sys.executable, "-P", "-m", "harness.cli", "mcp", str(tiny.file), *options]


def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")}


def left(tmp_path: Path) -> list[str]:
    """What is left in the state folder's room for checkouts."""
    return [path.name for path in (tmp_path / "state/perf-harness/mcp/worktrees").glob("*")]


def text(result: CallToolResult) -> str:
    (part,) = result.content
    assert isinstance(part, TextContent)
    return part.text


def client(tiny: TinyTask, tmp_path: Path, *options: str) -> Client:
    command, *arguments = line(tiny, *options)
    server = StdioServerParameters(command=command, args=arguments, cwd=tmp_path, env=environment(tmp_path))
    return Client(server, mode="legacy")


@pytest.mark.slow
def test_a_checkout_is_measured_tested_and_judged(tiny: TinyTask, tmp_path: Path) -> None:
    tree = tmp_path / "mine"
    heard: list[str] = []

    async def hear(_progress: float, _total: float | None, message: str | None) -> None:
        heard.append(str(message))

    async def use() -> None:
        async with client(tiny, tmp_path, "--new-worktree", str(tree)) as server:
            offered = [tool.name for tool in (await server.list_tools()).tools]
            assert offered == ["measure", "run_tests", "profile", "judge"]
            nothing = await server.call_tool("judge", {}, progress_callback=hear)
            assert text(nothing).startswith("no_patch:")
            assert any("base: noise" in each for each in heard)

            core = tree / "tiny" / "core.py"
            core.write_text(core.read_text().replace("range(20)", "range(1)"))
            (tree / ".venv").mkdir()
            (tree / ".venv" / "python").touch()
            assert "2 tests passed, 0 failed." in text(await server.call_tool("run_tests", {}))
            assert "Geometric mean: " in text(await server.call_tool("measure", {}))
            first = text(await server.call_tool("judge", {}))
            assert first.startswith("faster: ")
            assert "secret  held out" in first
            again = text(await server.call_tool("judge", {}))
            assert again == f"{first}\n(This difference was judged before; that verdict stands.)"

            core.write_text(core.read_text().replace("+= square", "+= square + 1"))
            assert "WRONG OUTPUT" in text(await server.call_tool("run_tests", {}))
            assert text(await server.call_tool("judge", {})).startswith("incorrect (")
            (tree / "README.md").write_text("changed\n")
            assert "README.md" in text(await server.call_tool("measure", {}))
            assert (await server.call_tool("measure", {"fast": True})).is_error

    anyio.run(use)
    assert left(tmp_path) == []
    assert (tree / "tiny" / "core.py").exists(), "what was asked for stays"
    (run,) = (tmp_path / "state/perf-harness/mcp/runs").iterdir()
    verdicts = [json.loads((run / name / "verdict.json").read_text()) for name in ("001", "002")]
    assert [verdict["status"] for verdict in verdicts] == ["faster", "incorrect"]
    last = json.loads((run / "journal.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "run_finished"
    assert [verdict["agent"] for verdict in last["attempts"]] == ["mcp", "mcp"]


def test_another_folder_is_told_from_a_checkout(tiny: TinyTask, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "README.md").touch()

    async def use() -> None:
        async with client(tiny, tmp_path, "--worktree", str(other)) as server:
            for _ in range(2):
                told = await server.call_tool("measure", {})
                assert told.is_error
                assert f"{other} is not a checkout of the source of tiny: 3 of its 4 files are not there" in text(told)
                assert "--new-worktree DIR" in text(told)

    anyio.run(use)
    assert left(tmp_path) == []
    assert list((tmp_path / "state/perf-harness/mcp/runs").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--worktree", "nowhere"], "There is no folder"),
        (["--worktree", ".", "--new-worktree", "x"], "exclude each other"),
        (["--worktree", ".", "--out", "runs"], "--out runs lies in the checkout that is measured"),
    ],
)
def test_mistakes_are_told_at_once_and_not_on_standard_output(
    options: list[str], says: str, tiny: TinyTask, tmp_path: Path
) -> None:
    done = subprocess.run(
        line(tiny, *options),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


@pytest.fixture
def serving(tiny: TinyTask, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server in the middle of a call, spoken to without a library."""
    process = subprocess.Popen(
        line(tiny, "--new-worktree", str(tmp_path / "mine")),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert process.stdin and process.stdout and process.stderr
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "measure", "arguments": {}}}
    for message in (HELLO, {"jsonrpc": "2.0", "method": "notifications/initialized"}, call):
        process.stdin.write(json.dumps(message) + "\n")
    for said in process.stderr:
        if said.startswith("base: noise started"):
            break
    soon = time.monotonic() + 20
    while len(psutil.Process(process.pid).children(recursive=True)) < 2:  # the clock's process, and what it times
        assert time.monotonic() < soon
        time.sleep(0.05)
    time.sleep(0.5)
    yield process
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


@pytest.mark.parametrize("how", ["end of input", "SIGTERM", "SIGINT"])
def test_it_leaves_nothing_when_it_ends_in_the_middle_of_a_call(
    how: str, serving: subprocess.Popen[str], tmp_path: Path
) -> None:
    below = psutil.Process(serving.pid).children(recursive=True)
    start = time.monotonic()
    if how == "end of input":
        assert serving.stdin
        serving.stdin.close()
    else:
        serving.send_signal(getattr(signal, how))
    code = serving.wait(20)
    assert time.monotonic() - start < 5
    assert code == (0 if how == "end of input" else 130)
    assert serving.stdout
    for said in serving.stdout:
        assert json.loads(said)["jsonrpc"] == "2.0"
    _, alive = psutil.wait_procs(below, timeout=5)
    assert alive == []
    assert left(tmp_path) == []
    assert list((tmp_path / "state/perf-harness/mcp/runs").iterdir()) == []


@pytest.mark.slow
def test_an_impatient_client_finds_the_admission_done(tiny: TinyTask, tmp_path: Path) -> None:
    async def use() -> float:
        async with client(tiny, tmp_path, "--new-worktree", str(tmp_path / "mine")) as server:
            with anyio.move_on_after(1):
                await server.call_tool("measure", {})
            start = time.monotonic()
            profile = await server.call_tool("profile", {})
            assert not profile.is_error
            assert "total" in text(profile)
            return time.monotonic() - start

    assert anyio.run(use) < 60


@pytest.mark.slow
def test_an_answer_comes_in_time_and_the_work_goes_on(tiny: TinyTask, tmp_path: Path) -> None:
    async def use() -> list[str]:
        options = ["--new-worktree", str(tmp_path / "mine"), "--patience", "2"]
        answers: list[str] = []
        async with client(tiny, tmp_path, *options) as server:
            while not answers or answers[-1].startswith("Not done yet"):
                start = time.monotonic()
                answers.append(text(await server.call_tool("run_tests", {})))
                assert time.monotonic() - start < 4
        return answers

    *put_off, last = anyio.run(use)
    assert 1 <= len(put_off) < 20
    assert "call run_tests again" in put_off[0] and "base: " in put_off[0]
    assert "2 tests passed, 0 failed." in last
    assert "(Of the files as they were " in last
