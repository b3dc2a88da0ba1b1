"""A real HTTP server on loopback that speaks both of OpenAI's wires, well and badly, as a test tells it to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each request with the next reply of the script."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.models(self)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(Request(self.path, json.loads(body), self.headers["Authorization"], body))
        self.server.replies.pop(0)(self)

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


@dataclass(frozen=True)
class Request:
    """What the client sent."""

    path: str
    body: Json
    authorization: str
    raw: bytes


class Server(ThreadingHTTPServer):
    """Keeps the requests it was sent and plays the replies it was given."""

    daemon_threads = True

    def __init__(self, replies: list[Reply], models: Reply | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.replies = replies
        self.models = models or send_json(200, {"object": "list", "data": [{"id": "m2"}, {"id": "m1"}]})
        self.requests: list[Request] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has heard enough hangs up, and may."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def send_json(status: int, body: Json, **headers: str) -> Reply:
    """A plain reply."""

    def reply(handler: Handler) -> None:
        data = json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return reply


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    """An error as the API words it."""
    return send_json(status, {"error": {"message": message, "type": "t", "code": code}}, **headers)


def stream(events: Sequence[Json | str], *, named: bool, cut: bool = False, pause: float = 0.0) -> Reply:
    """A stream of server-sent events; `cut` drops the connection where the end should be."""

    def chunk(handler: Handler, data: bytes) -> None:
        handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        handler.wfile.flush()

    def reply(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for event in events:
            time.sleep(pause)
            text = event if isinstance(event, str) else json.dumps(event)
            name = f"event: {event['type']}\n" if named and isinstance(event, dict) else ""
            chunk(handler, f"{name}data: {text}\n\n".encode())
        if cut:
            handler.close_connection = True
        else:
            handler.wfile.write(b"0\r\n\r\n")

    return reply


# The Responses wire.

REASONING: Json = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-opaque"}


def message(text: str) -> Json:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}


def function_call(name: str, arguments: str, call_id: str = "call_1") -> Json:
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def _response(items: Sequence[Json], status: str, **more: object) -> Json:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 130,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "m",
        "status": status,
        "output": list(items),
        "usage": usage,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **more,
    }


def responses(*items: Json, end: str = "completed", cut: bool = False, pause: float = 0.0, **more: object) -> Reply:
    """A whole answer on the Responses wire; with `cut` the connection drops before its end."""
    events: list[Json | str] = [{"type": "response.created", "response": _response([], "in_progress")}]
    for index, item in enumerate(items):
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    if not cut:
        events.append({"type": f"response.{end}", "response": _response(items, end, **more)})
    numbered = [event | {"sequence_number": n} for n, event in enumerate(events) if isinstance(event, dict)]
    return stream(numbered, named=True, cut=cut, pause=pause)


# The Chat Completions wire.


def delta(finish: str | None = None, **content: object) -> Json:
    choice = {"index": 0, "delta": content, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


def piece(index: int, *, call_id: str | None = None, name: str | None = None, arguments: str = "") -> Json:
    """A piece of a tool call."""
    function: Json = {"arguments": arguments} | ({"name": name} if name else {})
    call: Json = {"index": index, "type": "function", "function": function} | ({"id": call_id} if call_id else {})
    return delta(tool_calls=[call])


CHAT_USAGE: Json = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 0,
    "model": "m",
    "choices": [],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 20},
    },
}


def chat(*chunks: Json, finish: str = "stop", usage: bool = True, pause: float = 0.0) -> Reply:
    """A whole answer on the Chat Completions wire."""
    return stream([*chunks, delta(finish), *([CHAT_USAGE] if usage else []), "[DONE]"], named=False, pause=pause)
