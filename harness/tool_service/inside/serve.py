"""The tools as an MCP server, inside the sandbox: every call goes down the pipes."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .mcp_server import Tell, Work, serve_stdio
from .pipes import BadRequest, NotServed, call

_INSTRUCTIONS = (
    "measure times the worktree against the base by a clock you can trust; run_tests says whether it is still "
    "right; profile says where the time goes. Both may take minutes. Call submit once, when you are done."
)


def main(arguments: list[str]) -> None:
    """Serve the tools of the folder `arguments[0]` over standard input and output; returns when that ends."""
    folder = arguments[0]
    try:
        with open(f"{folder}/tools.json", encoding="utf-8") as file:
            tools = json.load(file)
    except OSError:
        sys.exit(f"No attempt is served in {folder}, or it is over.")
    # One after the other, as they are served; a call that waits its turn can still be taken back.
    thread = ThreadPoolExecutor(1)

    def begin(name: str, fields: dict[str, Any], tell: Tell) -> Work:
        answer = thread.submit(_ask, folder, name, fields, tell)
        return Work(answer, answer.cancel)

    serve_stdio(tools, begin, version="1", instructions=_INSTRUCTIONS)
    sys.stdout.flush()
    # A call may still wait for an answer that nobody wants: its thread would hold the process.
    os._exit(0)


def _ask(folder: str, name: str, fields: dict[str, Any], tell: Tell) -> dict[str, Any]:
    try:
        return call(folder, name, fields, tell, lambda: tell("waiting for another call to end"))
    except (NotServed, BadRequest, OSError) as error:
        return {"text": f"{name}: {error}.", "error": True}
