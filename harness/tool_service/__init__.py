"""The harness's tools for agents that are programs of their own: plain commands and an MCP server in the sandbox.

`serve_tools` serves one attempt. `harness mcp` serves a task outside a run.
"""

from harness.tool_service.access import SERVED, ToolAccess, find_tools, tool_folder
from harness.tool_service.recorder import OnCall, recorder
from harness.tool_service.service import serve_tools

__all__ = ["SERVED", "OnCall", "ToolAccess", "find_tools", "recorder", "serve_tools", "tool_folder"]
