"""What a request to the model's endpoint asks for, and whether it may."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from harness.network.usage import estimate_tokens

# Only these: with its key the endpoint does much more, such as storing files and listing what others stored.
_POSTS = ("responses", "chat/completions")
_GETS = re.compile(r"models(/[\w.:@+-]+)*")
# Run on the agent's side, by the agent. The others are run by the provider, who is not behind our closed network.
_OWN_TOOLS = frozenset({"function", "custom", "local_shell", "shell", "apply_patch", "namespace", "tool_search"})
# Other ways to ask the provider for its tools: Chat Completions' search, OpenRouter's plug-ins, a stored prompt.
_HOSTED_OPTIONS = ("web_search_options", "plugins", "prompt")


class Refused(Exception):
    """The request is answered here and never reaches the endpoint.

    Attributes:
        status: of the answer.
        code: a word for programs.
        message: one sentence for whoever reads the agent's log.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Asked:
    """A request that may go on.

    Attributes:
        path: below the base URL.
        content: the body to send.
        model: the model asked for, None where none is named.
        input_tokens: an estimate of what is sent; 0 for what costs nothing.
        billed: whether it is a call of the model.
        stream: whether the answer is wanted as a stream.
        adds_usage: whether the chunk with the usage is there for our sake, and must not reach the client.
    """

    path: str
    content: bytes = b""
    model: str | None = None
    input_tokens: int = 0
    billed: bool = False
    stream: bool = False
    adds_usage: bool = False


def understand(method: str, path: str, content: bytes, models: tuple[str, ...]) -> Asked:
    """Read a request.

    Args:
        method: GET or POST.
        path: below `/v1/`, decoded.
        content: the body.
        models: the names that may be asked for; empty for any.

    Raises:
        Refused: it asks for something that is not let through, and says what is.
    """
    if method == "GET" and _GETS.fullmatch(path) and ".." not in path:
        return Asked(path)
    if method != "POST" or path not in _POSTS:
        raise Refused(
            404,
            "not_let_through",
            f"{method} /v1/{path[:100]} is not let through: only POST /v1/responses, POST /v1/chat/completions and "
            "GET /v1/models are.",
        )
    body = _parsed(content)
    model = body.get("model")
    if not isinstance(model, str):
        raise Refused(400, "no_model", "The request names no model.")
    if models and model not in models:
        raise Refused(404, "model_not_found", f"This run's model is {', '.join(models)}; {model[:100]!r} is not.")
    _refuse_what_escapes(body)
    stream = body.get("stream") is True
    adds_usage = path == "chat/completions" and stream and not _wants_usage(body)
    if adds_usage:
        options = body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    # Written anew: of a name that is there twice, others might read the other value.
    written = _written(body)
    return Asked(path, written, model, estimate_tokens(body), billed=True, stream=stream, adds_usage=adds_usage)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "invalid_json", f"The request's body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise Refused(400, "invalid_json", "The request's body is not a JSON object.")
    return body


def _written(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, separators=(",", ":")).encode()
    except RecursionError as error:
        raise Refused(400, "invalid_json", "The request's body is nested too deeply.") from error


def _wants_usage(body: dict[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _refuse_what_escapes(body: dict[str, Any]) -> None:
    """What the bill would miss, and what reaches the world through the provider."""
    if body.get("background"):
        raise Refused(400, "background", "background=true is not let through: its usage would be reported to nobody.")
    if body.get("service_tier") == "priority":
        raise Refused(
            400, "service_tier", "service_tier=priority is not let through: it costs more than the budget counts."
        )
    for name in _HOSTED_OPTIONS:
        if body.get(name):
            raise _hosted(name)
    _check_tools(body.get("tools"))
    left: list[object] = [body.get("input"), body.get("messages")]
    while left:
        each = left.pop()
        if isinstance(each, list):
            left += each
        elif isinstance(each, dict):
            left += each.values()
            for name, value in each.items():
                url = value.get("url") if isinstance(value, dict) else value
                if name.endswith("_url") and url is not None and not str(url).startswith("data:"):
                    raise _hosted(f"{name} with an address for the provider to fetch (send data:... instead)")


def _check_tools(tools: object) -> None:
    for tool in tools if isinstance(tools, list) else []:
        kind = tool.get("type") if isinstance(tool, dict) else None
        place = tool.get("environment") if isinstance(tool, dict) else None
        elsewhere = isinstance(place, dict) and place.get("type") != "local"
        if kind not in _OWN_TOOLS or elsewhere:
            raise _hosted(f"The tool {str(kind)[:100]!r}")
        if kind == "namespace":
            _check_tools(tool.get("tools"))


def _hosted(what: str) -> Refused:
    return Refused(
        400,
        "hosted_tool",
        f"{what} is not let through: the provider would run it, with a network that is closed here. Switch it off.",
    )
