"""The gateway's ledger is right to the token, its limits hold, and what it passes on it passes as it comes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from network_parts import KEY, endpoint_server, log_lines, new_budget
from openai_server import (
    CHAT_USAGE,
    Handler,
    Json,
    Reply,
    Server,
    chat,
    delta,
    error,
    message,
    responses,
    send_json,
    stream,
)

from agent.budget import Budget, Prices
from agent.messages import Usage, UserMessage
from agent.openai_chat import OpenAIChatModel
from agent.openai_client import OpenAIBase
from agent.openai_responses import OpenAIResponsesModel
from harness.network import Access, Endpoint, open_access
from harness.network.gateway import ModelGateway
from harness.network.log import RequestLog
from harness.network.serve import serving_gateway
from harness.sandbox import NoSandbox

BILLED = Usage(input=100, cached=60, output=30, reasoning=20)
RESPONSES: Json = {"model": "m", "input": "x", "stream": True}
CHAT: Json = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
WHOLE_CHAT = {"object": "chat.completion", "choices": [], "usage": CHAT_USAGE["usage"]}
WHOLE_RESPONSE = {
    "object": "response",
    "usage": {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 20},
    },
}


@dataclass
class Setting:
    """An endpoint, a gateway before it, and a client of the gateway."""

    server: Server
    gateway: ModelGateway
    client: httpx2.Client
    access: Access
    budget: Budget
    log: Path

    def post(self, path: str, body: Json, **headers: str) -> httpx2.Response:
        return self.client.post(path, json=body, headers=headers)

    def settled(self, requests: int) -> None:
        """Wait for the ledger of replies that end before their end."""
        deadline = time.monotonic() + 10
        while self.gateway.requests < requests and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.gateway.requests == requests


@pytest.fixture
def setting(tmp_path: Path) -> Callable[..., Any]:
    @contextmanager
    def make(*replies: Reply, budget: Budget | None = None, models: tuple[str, ...] = ()) -> Iterator[Setting]:
        budget = budget or new_budget()
        with (
            endpoint_server(*replies) as server,
            open_access(
                Endpoint(server.url, KEY, models),
                [],
                budget,
                tmp_path / "log.jsonl",
                sandbox=NoSandbox(),
            ) as access,
        ):
            authorization = {"Authorization": f"Bearer {access.environment['OPENAI_API_KEY']}"}
            url = access.environment["OPENAI_BASE_URL"]
            with httpx2.Client(base_url=url, headers=authorization, timeout=20, trust_env=False) as client:
                assert access.gateway
                yield Setting(server, access.gateway, client, access, budget, tmp_path / "log.jsonl")

    return make


Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("path", "body", "reply"),
    [
        ("/responses", RESPONSES, responses(message("hello"))),
        ("/responses", RESPONSES, responses(message("hello"), end="incomplete")),
        ("/responses", RESPONSES, responses(end="failed")),
        ("/responses", RESPONSES | {"stream": False}, send_json(200, WHOLE_RESPONSE)),
        ("/chat/completions", CHAT, chat(delta(content="hello"))),
        ("/chat/completions", CHAT | {"stream_options": {"include_usage": True}}, chat(delta(content="hello"))),
        ("/chat/completions", CHAT | {"stream": False}, send_json(200, WHOLE_CHAT)),
    ],
    ids=["responses", "incomplete", "failed", "responses-plain", "chat", "chat-with-usage", "chat-plain"],
)
def test_usage_is_right_to_the_token(path: str, body: Json, reply: Reply, setting: Make) -> None:
    with setting(reply, reply) as at:
        for _ in range(2):
            assert at.post(path, body).status_code == 200
        at.settled(2)
        assert (at.gateway.reported, at.gateway.estimated) == (BILLED + BILLED, Usage())
        assert (at.budget.usage, at.budget.steps) == (BILLED + BILLED, 2)


@pytest.mark.parametrize("model", [OpenAIResponsesModel, OpenAIChatModel])
def test_the_real_sdk_notices_nothing(model: type[OpenAIBase], setting: Make) -> None:
    reply = responses(message("hello")) if model is OpenAIResponsesModel else chat(delta(content="hello"))
    with setting(reply) as at:
        variables = at.access.environment
        asks = model("m", base_url=variables["OPENAI_BASE_URL"], api_key=variables["OPENAI_API_KEY"])
        turn = asks.complete([UserMessage(text="hi")], [])
        asks.client.close()
        at.settled(1)
        assert (turn.text, turn.usage) == ("hello", BILLED)
        assert at.server.requests[0].authorization == f"Bearer {KEY}"


def test_the_usage_that_only_we_asked_for_stays_here(setting: Make) -> None:
    with setting(chat(delta(content="a")), chat(delta(content="a"))) as at:
        without = at.post("/chat/completions", CHAT).text
        wanted = at.post("/chat/completions", CHAT | {"stream_options": {"include_usage": True, "x": 1}}).text
    assert '"usage"' not in without
    assert '"usage"' in wanted
    assert without.endswith("data: [DONE]\n\n")
    assert [request.body["stream_options"] for request in at.server.requests] == [
        {"include_usage": True},
        {"include_usage": True, "x": 1},
    ]


def test_a_stream_passes_piece_by_piece(setting: Make) -> None:
    heard = threading.Event()

    def slowly(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(b'data: {"choices": [{"delta": {"content": "first"}}]}\n\n')
        word = b"second" if heard.wait(10) else b"nobody heard the first"
        handler.wfile.write(b'data: {"choices": [{"delta": {"content": "' + word + b'"}}]}\n\n')
        handler.close_connection = True

    with (
        setting(slowly) as at,
        at.client.stream("POST", "/chat/completions", json=CHAT) as reply,
    ):
        pieces = reply.iter_text()
        assert "first" in next(pieces)
        heard.set()
        assert "second" in "".join(pieces)


def test_a_refusal_to_wait_for_reaches_the_client_and_costs_nothing(setting: Make) -> None:
    with setting(error(429, Retry_After="7", X_RateLimit_Remaining_Requests="0"), error(500)) as at:
        busy = at.post("/responses", RESPONSES)
        broken = at.post("/responses", RESPONSES)
        assert (busy.status_code, busy.headers["retry-after"], broken.status_code) == (429, "7", 500)
        assert busy.headers["x-ratelimit-remaining-requests"] == "0"
        assert busy.json()["error"]["message"] == "no"
        assert (at.budget.steps, at.budget.usage, at.gateway.requests) == (0, Usage(), 0)


def test_a_reply_that_breaks_off_breaks_off_for_the_client_too(setting: Make) -> None:
    words = [delta(content="four") for _ in range(8)]
    with setting(stream(words, named=False, cut=True), responses(message("a"))) as at:
        with pytest.raises(httpx2.RemoteProtocolError):
            at.post("/chat/completions", CHAT)
        at.settled(1)
        assert at.gateway.reported == Usage()
        assert at.gateway.estimated.output == 8
        assert at.gateway.estimated.input > 0
        assert at.budget.usage == at.gateway.estimated
        assert at.post("/responses", RESPONSES).status_code == 200
    first, second = log_lines(at.log)
    assert (first["outcome"], first["estimated"]) == ("lost", True)
    assert (second["outcome"], second["estimated"]) == ("answered", False)


def _await_refusal(address: tuple[str, int]) -> None:
    """Wait until nothing listens there: what still got through would be billed."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            return
        time.sleep(0.01)
    pytest.fail(f"something listens at {address}")


def test_an_endpoint_that_is_killed_in_the_middle(setting: Make, tmp_path: Path) -> None:
    """The whole server goes: what it said it cost so far is kept, and the next request is told."""

    def dying(handler: Handler) -> None:
        stream([delta(content="a"), CHAT_USAGE], named=False, cut=True)(handler)
        threading.Thread(target=_kill, args=(handler.server,)).start()

    with setting(dying) as at:
        with pytest.raises(httpx2.RemoteProtocolError):
            at.post("/chat/completions", CHAT)
        at.settled(1)
        assert (at.gateway.reported, at.gateway.estimated) == (BILLED, Usage())
        at.server.server_close()
        _await_refusal((str(at.server.server_address[0]), at.server.server_port))
        gone = at.post("/chat/completions", CHAT)
        assert (gone.status_code, gone.json()["error"]["code"]) == (502, "endpoint_unreachable")
        assert at.budget.steps == 1


def _kill(server: Server) -> None:
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("budget", "kind"),
    [
        (new_budget(steps=1), "steps"),
        (new_budget(tokens=130), "tokens"),
        (new_budget(usd=0.00001, prices=Prices(input=1, cached=1, output=1)), "usd"),
        (new_budget(seconds=0), "seconds"),
    ],
    ids=["steps", "tokens", "usd", "seconds"],
)
def test_at_a_limit_the_agent_is_told_and_nothing_is_asked(budget: Budget, kind: str, setting: Make) -> None:
    with setting(responses(message("a")), budget=budget) as at:
        if kind != "seconds":
            assert at.post("/responses", RESPONSES).status_code == 200
            at.settled(1)
        asked = len(at.server.requests)
        over = [at.post("/responses", RESPONSES), at.post("/chat/completions", CHAT)]
        assert [reply.status_code for reply in over] == [400, 403]
        for reply in over:
            assert reply.headers["x-should-retry"] == "false"
            assert reply.json()["error"]["code"] == "budget_used_up"
            assert "Do not try again" in reply.json()["error"]["message"]
        assert at.gateway.used_up
        assert at.gateway.used_up.kind == kind
        assert len(at.server.requests) == asked
        assert at.client.get("/models").status_code == 200


def test_what_is_under_way_counts_against_the_limit(setting: Make) -> None:
    """A limit must not be passed by asking many times at once."""
    let_go = threading.Event()

    def waiting(handler: Handler) -> None:
        let_go.wait(10)
        send_json(200, WHOLE_RESPONSE)(handler)

    body = RESPONSES | {"input": "word" * 400, "stream": False}  # 400 tokens and a bit
    statuses: list[int] = []
    with setting(*[waiting] * 6, budget=new_budget(tokens=1000)) as at:

        def ask() -> None:
            statuses.append(at.post("/responses", body).status_code)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while len(statuses) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        let_go.set()
        for thread in threads:
            thread.join()
    assert sorted(statuses) == [200, 200, 400, 400, 400, 400]


def test_who_hangs_up_pays(setting: Make) -> None:
    let_go = threading.Event()

    def long(handler: Handler) -> None:
        stream([delta(content="four"), delta(content="four")], named=False, cut=True)(handler)
        let_go.wait(10)

    def late(handler: Handler) -> None:
        stream([delta(content="a")], named=False, cut=True)(handler)
        let_go.wait(10)
        stream([CHAT_USAGE], named=False)(handler)

    with setting(long) as at:
        with at.client.stream("POST", "/chat/completions", json=CHAT) as reply:
            assert next(reply.iter_text())
        at.settled(1)
        let_go.set()
        assert at.gateway.reported == Usage()
        assert at.gateway.estimated.output >= 1
    assert [line["outcome"] for line in log_lines(at.log)] == ["aborted"]


def test_what_an_aborted_reply_still_says_is_charged(setting: Make) -> None:
    left = threading.Event()

    def late(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(b'data: {"choices": [{"delta": {"content": "first"}}]}\n\n')
        left.wait(10)
        handler.wfile.write(b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}\n\n')
        handler.close_connection = True

    with setting(late) as at:
        with at.client.stream("POST", "/chat/completions", json=CHAT) as reply:
            assert "first" in next(reply.iter_text())
        left.set()
        at.settled(1)
        assert (at.gateway.reported, at.gateway.estimated) == (Usage(input=7, output=3), Usage())
    assert [line["outcome"] for line in log_lines(at.log)] == ["aborted"]


def test_without_the_stand_in_nothing_is_forwarded(setting: Make) -> None:
    with setting() as at:
        for headers in ({"Authorization": "Bearer x"}, {"Authorization": ""}, {"Authorization": "Bearer " + KEY}):
            assert at.post("/responses", RESPONSES, **headers).status_code == 401
        assert at.post("/responses", RESPONSES, **{"Content-Encoding": "gzip"}).status_code == 415
        assert at.server.requests == []


def test_requests_that_never_end_do_not_keep_others_out(tmp_path: Path) -> None:
    """As many as are read at once, and some more, each with a body that stops in the middle."""
    with (
        endpoint_server(send_json(200, WHOLE_RESPONSE)) as server,
        socket.create_server(("127.0.0.1", 0)) as listener,
        start_blocking_portal() as portal,
        contextlib.ExitStack() as stack,
    ):
        log = RequestLog(tmp_path / "log.jsonl")
        stack.callback(log.close)
        gateway = ModelGateway(Endpoint(server.url, KEY, ()), new_budget(), log, most_body_seconds=0.5)
        stack.enter_context(portal.wrap_async_context_manager(serving_gateway(gateway, listener)))
        address = listener.getsockname()
        head = f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n"
        stalled = [stack.enter_context(socket.create_connection(address, 20)) for _ in range(12)]
        for each in stalled:
            each.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
        url = f"http://127.0.0.1:{address[1]}/v1/responses"
        key = {"Authorization": f"Bearer {gateway.token}"}
        reply = httpx2.post(url, json=RESPONSES | {"stream": False}, headers=key, timeout=20, trust_env=False)
        assert reply.status_code == 200
        for each in stalled:
            assert each.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert sorted(line["outcome"] for line in log_lines(tmp_path / "log.jsonl")) == ["answered"] + ["too_slow"] * 12


def test_the_key_does_not_come_back(setting: Make) -> None:
    def echoing(handler: Handler) -> None:
        said = handler.headers["Authorization"].removeprefix("Bearer ")
        body = f'{{"error": {{"message": "Incorrect API key provided: {said}"}}}}'.encode()
        handler.send_response(401)
        handler.send_header("X-Echo", said)
        handler.send_header("Set-Cookie", "a=b")
        handler.send_header("OpenAI-Organization", "ours")
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        cut = body.index(said.encode()) + 5
        handler.wfile.write(body[:cut])
        handler.wfile.flush()
        time.sleep(0.05)
        handler.wfile.write(body[cut:])

    with setting(echoing) as at:
        reply = at.post("/responses", RESPONSES)
    assert reply.status_code == 401
    assert reply.json()["error"]["message"] == "Incorrect API key provided: [key]"
    assert reply.headers["x-echo"] == "[key]"
    assert not {"set-cookie", "openai-organization"} & set(reply.headers)
    assert KEY not in at.log.read_text()


def test_headers_that_say_who_one_is_are_ours(setting: Make) -> None:
    seen: list[dict[str, str]] = []

    def keeping(handler: Handler) -> None:
        seen.append({name.lower(): value for name, value in handler.headers.items()})
        send_json(200, WHOLE_RESPONSE)(handler)

    headers = {"OpenAI-Organization": "o", "Cookie": "c", "X-API-Key": "k", "X-Forwarded-For": "f", "Session_id": "s"}
    with setting(keeping) as at:
        at.post("/responses", RESPONSES, **headers)
        host = at.server.url.split("/")[2]
    assert seen[0]["authorization"] == f"Bearer {KEY}"
    assert seen[0]["session_id"] == "s"
    assert seen[0]["host"] == host
    assert not {"openai-organization", "cookie", "x-api-key", "x-forwarded-for"} & set(seen[0])


def test_only_the_runs_model_is_asked(setting: Make) -> None:
    with setting(responses(), models=("m",)) as at:
        other = at.post("/responses", RESPONSES | {"model": "dear"})
        assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
        assert "model is m" in other.json()["error"]["message"]
        assert at.post("/responses", RESPONSES).status_code == 200
    assert [line["outcome"] for line in log_lines(at.log)] == ["model_not_found", "answered"]


def test_models_are_listed_and_cost_nothing(setting: Make) -> None:
    with setting() as at:
        assert [each["id"] for each in at.client.get("/models").json()["data"]] == ["m2", "m1"]
        assert at.client.get("/models/org/m1:7b").status_code == 200
        assert at.client.get("/models/../files").status_code == 404
        assert at.client.get("/files").status_code == 404
        assert (at.budget.steps, at.gateway.requests) == (0, 0)


def test_a_redirect_is_not_followed(setting: Make) -> None:
    with setting(send_json(307, {}, Location="http://127.0.0.1:1/v1/responses")) as at:
        reply = at.post("/responses", RESPONSES)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "redirect")


def test_a_request_is_one_line_of_the_log(setting: Make) -> None:
    with setting(responses(message("a"))) as at:
        at.post("/responses", RESPONSES)
    (line,) = log_lines(at.log)
    assert line.pop("seconds") >= line.pop("first_byte_seconds") >= 0
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "kind": "model",
        "method": "POST",
        "path": "/v1/responses",
        "model": "m",
        "stream": True,
        "status": 200,
        "outcome": "answered",
        "tokens": BILLED.model_dump(),
        "estimated": False,
    }


def test_closing_does_not_wait_for_a_reply_without_end(setting: Make) -> None:
    let_go = threading.Event()

    def endless(handler: Handler) -> None:
        stream([delta(content="a")], named=False, cut=True)(handler)
        let_go.wait(30)

    start = time.monotonic()
    with setting(endless) as at, at.client.stream("POST", "/chat/completions", json=CHAT) as reply:
        next(reply.iter_text())
        let_go.set()
    assert time.monotonic() - start < 20
