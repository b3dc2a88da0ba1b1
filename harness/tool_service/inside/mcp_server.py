"""A server of the Model Context Protocol over standard input and output, for tools that take minutes.

https://modelcontextprotocol.io. It knows nothing of the tools but their descriptions: who starts it says how they
are called. While a tool runs, a client that asked for progress is told how long it has taken and how far it is,
at least every few seconds: many clients measure their patience from the last word they heard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

HEARTBEAT_SECONDS = 5.0
_LOOK_SECONDS = 0.2

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Work:
    """A call under way.

    Attributes:
        answer: will hold a dict with `text` (what came of it) and `error` (bool: the call itself was no good).
        cancel: called when the client does not want it any more.
    """

    answer: Future[dict[str, Any]]
    cancel: Callable[[], object]


Begin = Callable[[str, dict[str, Any], Tell], Work]
"""Begins a call: the tool's name, its arguments, and where to say how it goes (from any thread)."""


def serve_stdio(tools: list[dict[str, Any]], begin: Begin, *, version: str, instructions: str) -> None:
    """Serve until standard input ends. Nothing but the protocol is written to standard output meanwhile.

    Args:
        tools: for each tool its `name`, `description` and `parameters` (a JSON schema).
        begin: carries calls out.
        version: of the server.
        instructions: what a client may tell its model about the tools.
    """
    server = _server(tools, begin, version, instructions)

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)


def _server(tools: list[dict[str, Any]], begin: Begin, version: str, instructions: str) -> Server[Any]:
    offered = [
        Tool(
            name=tool["name"],
            description=tool["description"],
            input_schema=tool["parameters"],
            # None of them reaches beyond this machine, and none destroys: clients need not ask before each call.
            annotations=ToolAnnotations(destructive_hint=False, open_world_hint=False),
        )
        for tool in tools
    ]

    async def list_tools(
        _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=offered)

    async def call_tool(context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        answer = await _carry_out(context, begin, params)
        text = TextContent(type="text", text=str(answer["text"]))
        return CallToolResult(content=[text], is_error=bool(answer["error"]))

    return Server(
        "perf-harness", version=version, instructions=instructions, on_list_tools=list_tools, on_call_tool=call_tool
    )


async def _carry_out(context: ServerRequestContext[Any], begin: Begin, params: CallToolRequestParams) -> dict[str, Any]:
    news = ["begun"]
    work = begin(params.name, params.arguments or {}, news.append)
    done = False
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_report, context, news)
            answer = await asyncio.wrap_future(work.answer)
            group.cancel_scope.cancel()
        done = True
    finally:
        if not done:
            work.cancel()
    return answer


async def _report(context: ServerRequestContext[Any], news: list[str]) -> None:
    """Send progress: what is new at once, and something now and then. A client that did not ask is sent nothing."""
    start = time.monotonic()
    told, said = 0.0, ""
    while True:
        now = time.monotonic()
        if news[-1] != said or now - told >= HEARTBEAT_SECONDS:
            told, said = now, news[-1]
            del news[:-1]
            # The protocol wants a number that grows; how long it will take is not known.
            await context.session.report_progress(round(now - start, 1), None, f"{said} ({now - start:.0f} s)")
        await anyio.sleep(_LOOK_SECONDS)
