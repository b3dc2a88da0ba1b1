"""The MCP server in the sandbox, driven by the protocol's own client library."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from service_parts import SANDBOXES, SlowBench, events, served

from agent.tools import tool_specs
from agent.trajectory import ToolStarted
from harness.sandbox import Confinement, Sandbox
from harness.tool_service import SERVED, ToolAccess


def server(access: ToolAccess, tree: Path, sandbox: Sandbox | None = None) -> StdioServerParameters:
    wrap: list[str] = []
    if sandbox is not None:
        wrap = sandbox.wrap(Confinement(writable=(tree, *access.writable), readable=access.readable))
    command, *arguments = [*wrap, *access.mcp_command]
    # A client may start it with next to no environment, and from anywhere.
    return StdioServerParameters(command=command, args=arguments, cwd=tree, env={"PATH": "/usr/bin:/bin"})


def text(result: CallToolResult) -> str:
    (part,) = result.content
    assert isinstance(part, TextContent)
    return part.text


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("sandbox", SANDBOXES.values(), ids=SANDBOXES)
def test_the_tools_are_offered_and_carried_out_in_every_sandbox(sandbox: Sandbox, mode: str, tmp_path: Path) -> None:
    async def use(access: ToolAccess) -> None:
        async with Client(server(access, tmp_path / "tree", sandbox), mode=mode) as client:
            offered = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tuple(offered) == SERVED
            for spec in tool_specs():
                if spec.name in offered:
                    assert offered[spec.name].description == spec.description
                    assert offered[spec.name].input_schema == spec.parameters
            measured = await client.call_tool("measure", {})
            assert (text(measured), measured.is_error) == ("1.25x [1.20, 1.30]", False)
            bad = await client.call_tool("measure", {"fast": True})
            assert bad.is_error and "Extra inputs are not permitted" in text(bad)
            assert (await client.call_tool("profile", {})).is_error
            assert text(await client.call_tool("submit", {"summary": "done"})) == "Submitted."

    with served(tmp_path) as access:
        anyio.run(use, access)
        assert access.submitted == "done"
    calls = [event.call.name for event in events(tmp_path) if isinstance(event, ToolStarted)]
    assert calls == ["measure", "measure", "profile", "submit"]


@pytest.mark.slow
def test_progress_comes_while_a_tool_runs_and_a_call_can_be_taken_back(tmp_path: Path) -> None:
    bench = SlowBench(tmp_path / "tree")
    heard: list[str] = []

    async def hear(_progress: float, _total: float | None, message: str | None) -> None:
        heard.append(str(message))

    async def use(access: ToolAccess) -> None:
        async with Client(server(access, bench.root), mode="legacy") as client:
            with anyio.move_on_after(7):
                await client.call_tool("run_tests", {}, progress_callback=hear)
            (bench.root / "go").touch()
            assert text(await client.call_tool("measure", {})) == "1.25x [1.20, 1.30]"

    with served(tmp_path, bench) as access:
        anyio.run(use, access)
    assert heard[0] == "begun (0 s)"
    assert heard[1] == "begun (5 s)"


def test_it_ends_with_its_standard_input_even_while_a_tool_runs(tmp_path: Path) -> None:
    bench = SlowBench(tmp_path / "tree")

    async def leave(access: ToolAccess) -> float:
        async with Client(server(access, bench.root), mode="legacy") as client, anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "run_tests", {})
            await anyio.to_thread.run_sync(bench.begun.wait, 10)
            group.cancel_scope.cancel()
            start = time.monotonic()
        return time.monotonic() - start

    with served(tmp_path, bench) as access:
        # The client library waits two seconds for a server to end by itself, and kills it then.
        assert anyio.run(leave, access) < 1.9


def test_without_an_attempt_it_says_so_and_ends(tmp_path: Path) -> None:
    with served(tmp_path) as access:
        command = access.mcp_command

    async def start() -> str:
        done = await anyio.run_process(command, check=False)
        assert done.returncode == 1
        return done.stderr.decode()

    assert "No attempt is served in" in anyio.run(start)
