from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path

import pytest
from agent_parts import FolderBench, update
from openai_server import (
    CHAT_USAGE,
    REASONING,
    Reply,
    Server,
    chat,
    delta,
    error,
    function_call,
    message,
    piece,
    responses,
    stream,
)

from agent.budget import Limits
from agent.loop import run_agent
from agent.messages import Message, ModelTurn, ToolCall, ToolResult, Usage, UserMessage
from agent.model import ContextOverflow, Model, ModelError
from agent.openai_list import ListError, list_models
from agent.openai_model import OpenAIChatModel, OpenAIResponsesModel, new_model
from agent.openai_retry import Retry
from agent.tools import tool_specs
from agent.trajectory import Trajectory

PROMPT: list[Message] = [UserMessage(text="go")]
QUICK = Retry(max_wait=2.0, first=0.01, longest=0.02)
BILLED = Usage(input=100, cached=60, output=30, reasoning=20)

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(*replies: Reply) -> Server:
        server = Server(list(replies))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _responses(server: Server, retry: Retry = QUICK, idle_seconds: float = 5.0) -> OpenAIResponsesModel:
    return OpenAIResponsesModel("m", base_url=server.url, api_key="sk-test", retry=retry, idle_seconds=idle_seconds)


def _chat(server: Server, retry: Retry = QUICK) -> OpenAIChatModel:
    return OpenAIChatModel("m", base_url=server.url, retry=retry)


def _fails(model: Model) -> ModelError:
    with pytest.raises(ModelError) as caught:
        model.complete(PROMPT, tool_specs())
    return caught.value


# Responses


def test_responses_gives_text_calls_usage_and_keeps_the_providers_items(serve: Serve) -> None:
    call = function_call("shell", '{"command": "ls"}')
    server = serve(responses(REASONING, message("Let me see."), call), responses(message("done")))
    model = _responses(server)
    turn = model.complete(PROMPT, tool_specs())
    assert turn.text == "Let me see."
    assert turn.tool_calls == [ToolCall(id="call_1", name="shell", arguments='{"command": "ls"}')]
    assert turn.usage == BILLED
    assert turn.provider_items == [REASONING, message("Let me see."), call]

    model.complete([*PROMPT, turn, ToolResult(call_id="call_1", name="shell", output="a.py")], tool_specs())
    first, second = (request.body for request in server.requests)
    assert server.requests[0].path == "/v1/responses"
    assert server.requests[0].authorization == "Bearer sk-test"
    assert first["store"] is False
    assert first["include"] == ["reasoning.encrypted_content"]
    assert [tool["name"] for tool in first["tools"]] == [spec.name for spec in tool_specs()]
    assert all(tool["type"] == "function" and tool["strict"] is False for tool in first["tools"])
    assert second["input"] == [
        *first["input"],
        *turn.provider_items,
        {"type": "function_call_output", "call_id": "call_1", "output": "a.py"},
    ]
    # What does not change from call to call is what a provider caches.
    for same in ("model", "tools", "prompt_cache_key"):
        assert first[same] == second[same]


def test_responses_sends_turns_of_other_models_too(serve: Serve) -> None:
    server = serve(responses(message("ok")))
    turn = ModelTurn(text="hm", tool_calls=[ToolCall(id="c", name="shell", arguments="{")])
    _responses(server).complete([*PROMPT, turn, ToolResult(call_id="c", name="shell", output="bad")], [])
    assert server.requests[0].body["input"][1:] == [
        {"role": "assistant", "content": "hm"},
        {"type": "function_call", "call_id": "c", "name": "shell", "arguments": "{"},
        {"type": "function_call_output", "call_id": "c", "output": "bad"},
    ]


def test_an_answer_cut_short_by_the_model_is_billed_and_used(serve: Serve) -> None:
    server = serve(responses(function_call("shell", '{"comm'), end="incomplete"))
    turn = _responses(server).complete(PROMPT, [])
    assert (turn.tool_calls[0].arguments, turn.usage) == ('{"comm', BILLED)


def test_a_failed_response_is_tried_again_and_its_bill_kept(serve: Serve) -> None:
    failure = {"error": {"code": "server_error", "message": "sorry"}}
    server = serve(responses(end="failed", **failure), responses(message("ok")))
    turn = _responses(server).complete(PROMPT, [])
    assert (turn.text, turn.usage) == ("ok", BILLED + BILLED)


def test_a_failed_response_that_cannot_pass_is_final(serve: Serve) -> None:
    failure = {"error": {"code": "context_length_exceeded", "message": "too long"}}
    server = serve(responses(end="failed", **failure), responses(message("never asked for")))
    failed = _fails(_responses(server))
    assert isinstance(failed, ContextOverflow)
    assert not failed.retryable
    assert "too long" in str(failed)
    assert failed.usage == BILLED
    assert len(server.requests) == 1


def test_a_model_that_does_not_reason_is_not_asked_for_its_reasoning_again(serve: Serve) -> None:
    refusal = error(400, "Encrypted content is not supported with this model.")
    server = serve(refusal, responses(message("ok")), responses(message("ok")))
    model = _responses(server)
    assert [model.complete(PROMPT, []).text for _ in range(2)] == ["ok", "ok"]
    assert ["include" in request.body for request in server.requests] == [True, False, False]


def test_an_error_event_in_the_stream_is_tried_again(serve: Serve) -> None:
    event = {"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}
    server = serve(stream([event], named=True), responses(message("ok")))
    assert _responses(server).complete(PROMPT, []).text == "ok"


# Chat Completions


def test_chat_puts_the_pieces_of_calls_together(serve: Serve) -> None:
    server = serve(
        chat(
            delta(role="assistant", content="Let "),
            delta(content="me."),
            piece(0, call_id="a", name="shell", arguments='{"comm'),
            piece(1, call_id="b", name="measure"),
            piece(0, arguments='and": "ls"}'),
            finish="tool_calls",
        ),
        chat(delta(content="done")),
    )
    model = _chat(server)
    turn = model.complete(PROMPT, tool_specs())
    assert turn.text == "Let me."
    assert turn.tool_calls == [
        ToolCall(id="a", name="shell", arguments='{"command": "ls"}'),
        ToolCall(id="b", name="measure", arguments=""),
    ]
    assert turn.usage == BILLED

    results = [ToolResult(call_id=call.id, name=call.name, output="out") for call in turn.tool_calls]
    model.complete([*PROMPT, turn, *results], tool_specs())
    first, second = (request.body for request in server.requests)
    assert server.requests[0].path == "/v1/chat/completions"
    assert first["stream_options"] == {"include_usage": True}
    assert second["messages"][0] == {"role": "user", "content": "go"}
    assert [call["function"]["arguments"] for call in second["messages"][1]["tool_calls"]] == [
        '{"command": "ls"}',
        "{}",
    ]
    assert second["messages"][2] == {"role": "tool", "tool_call_id": "a", "content": "out"}


def test_chat_tells_calls_apart_that_share_an_index_or_lack_an_id(serve: Serve) -> None:
    server = serve(
        chat(piece(0, call_id="a", name="measure"), piece(0, call_id="b", name="profile")),
        chat(piece(0, name="measure", arguments="{}"), piece(1, name="profile", arguments="{}")),
    )
    model = _chat(server)
    assert [call.id for call in model.complete(PROMPT, []).tool_calls] == ["a", "b"]
    calls = model.complete(PROMPT, []).tool_calls
    assert [call.name for call in calls] == ["measure", "profile"]
    assert calls[0].id != calls[1].id


def test_chat_never_sends_back_arguments_a_server_cannot_parse(serve: Serve) -> None:
    server = serve(chat(delta(content="ok")))
    turn = ModelTurn(tool_calls=[ToolCall(id="c", name="shell", arguments='{"command": "l')])
    _chat(server).complete([*PROMPT, turn, ToolResult(call_id="c", name="shell", output="not JSON")], [])
    sent = server.requests[0].body["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(sent) == {"unparsable": '{"command": "l'}


def test_chat_sends_no_two_user_messages_in_a_row(serve: Serve) -> None:
    server = serve(chat(delta(content="ok")))
    _chat(server).complete([UserMessage(text="one"), UserMessage(text="two"), ModelTurn(text="hm")], [])
    assert [message["role"] for message in server.requests[0].body["messages"]] == ["user", "assistant"]
    assert server.requests[0].body["messages"][0]["content"] == "one\n\ntwo"


def test_chat_without_usage_is_charged_by_an_estimate(serve: Serve) -> None:
    server = serve(chat(delta(content="word " * 100), usage=False))
    usage = _chat(server).complete([UserMessage(text="x" * 4000)], []).usage
    assert usage.input == pytest.approx(1000, rel=0.1)
    assert usage.output == pytest.approx(125, rel=0.1)
    assert usage.estimated == usage.input + usage.output


# What goes wrong on both


WIRES = pytest.mark.parametrize(
    ("make", "good"),
    [(_responses, responses(message("ok"))), (_chat, chat(delta(content="ok")))],
    ids=["responses", "chat"],
)
Make = Callable[..., Model]


@WIRES
@pytest.mark.parametrize(
    "bad",
    [
        error(500),
        error(503),
        error(429),
        error(429, retry_after="0.05"),
        error(429, retry_after="nonsense"),
        stream(["this is not json"], named=False),
        stream([], named=False),
        stream([{"error": {"message": "overloaded", "code": "server_error"}}], named=False),
    ],
    ids=["500", "503", "429", "429 with seconds", "429 with nonsense", "garbage", "empty", "error in the stream"],
)
def test_what_passes_is_tried_again(serve: Serve, make: Make, good: Reply, bad: Reply) -> None:
    server = serve(bad, bad, good)
    assert make(server).complete(PROMPT, []).text == "ok"
    assert len(server.requests) == 3


@WIRES
def test_a_dropped_stream_is_tried_again_and_nothing_of_it_is_kept(serve: Serve, make: Make, good: Reply) -> None:
    half = (
        responses(message("half"), cut=True)
        if make is _responses
        else stream([delta(content="half")], named=False, cut=True)
    )
    server = serve(half, good)
    assert make(server).complete(PROMPT, []).text == "ok"
    assert len(server.requests) == 2


@WIRES
def test_a_dropped_stream_is_billed_by_an_estimate_marked_as_such(serve: Serve, make: Make, good: Reply) -> None:
    half = (
        responses(message("x" * 400), cut=True)
        if make is _responses
        else stream([delta(content="x" * 400)], named=False, cut=True)
    )
    usage = make(serve(half, half, good)).complete([UserMessage(text="y" * 4000)], []).usage
    assert usage.estimated == 2 * (1008 + 100)
    assert usage.input + usage.output - usage.estimated == BILLED.input + BILLED.output
    assert usage.reasoning == BILLED.reasoning


@WIRES
def test_a_refusal_before_the_answer_costs_nothing(serve: Serve, make: Make, good: Reply) -> None:
    assert make(serve(error(500), error(429), good)).complete(PROMPT, []).usage == BILLED


def test_chat_usage_reported_before_the_stream_breaks_is_believed(serve: Serve) -> None:
    half = stream([delta(content="half"), CHAT_USAGE], named=False, cut=True)
    assert _chat(serve(half, chat(delta(content="ok")))).complete(PROMPT, []).usage == BILLED + BILLED


@WIRES
@pytest.mark.parametrize(
    ("refusal", "window"),
    [
        (error(400, "Your input exceeds the context window of this model.", "context_length_exceeded"), None),
        (error(400, "This model's maximum context length is 8192 tokens. However, you requested 9001."), 8192),
        (error(400, "the request (9001 tokens) exceeds the available context size (4096 tokens)"), 4096),
        (error(400, "The input (9001 tokens) is longer than the model's context length (8192 tokens)."), 8192),
        (error(413, "prompt is too long: 210000 tokens > 200000 maximum"), 200_000),
    ],
    ids=["OpenAI", "vLLM", "llama.cpp", "SGLang", "a gateway"],
)
def test_a_request_that_is_too_long_has_a_name_of_its_own(
    serve: Serve, make: Make, good: Reply, refusal: Reply, window: int | None
) -> None:
    server = serve(refusal, good)
    failed = _fails(make(server))
    assert isinstance(failed, ContextOverflow)
    assert failed.window == window
    assert len(server.requests) == 1


@WIRES
@pytest.mark.parametrize(
    "bad",
    [
        error(400, "no such parameter"),
        error(401, "wrong key"),
        error(404, "no such model", "model_not_found"),
        error(429, "pay first", "insufficient_quota"),
    ],
    ids=["400", "401", "404", "quota"],
)
def test_what_does_not_pass_ends_at_once(serve: Serve, make: Make, good: Reply, bad: Reply) -> None:
    server = serve(bad, good)
    failed = _fails(make(server))
    assert not failed.retryable
    assert len(server.requests) == 1


def test_retry_after_is_waited_for(serve: Serve) -> None:
    server = serve(error(429, retry_after="0.5"), responses(message("ok")))
    start = time.monotonic()
    _responses(server).complete(PROMPT, [])
    assert 0.5 <= time.monotonic() - start < 10


def test_retry_after_may_be_a_date(serve: Serve) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    server = serve(error(503, retry_after=at), responses(message("ok")))
    start = time.monotonic()
    _responses(server, Retry(max_wait=15, first=0.01)).complete(PROMPT, [])
    assert 0.5 <= time.monotonic() - start < 12


def test_waiting_is_capped(serve: Serve) -> None:
    server = serve(*[error(500)] * 100)
    start = time.monotonic()
    failed = _fails(_responses(server, Retry(max_wait=0.3, first=0.05, longest=0.1)))
    assert failed.retryable
    assert "status 500" in str(failed)
    assert "limit 0.3 s" in str(failed)
    assert time.monotonic() - start < 10
    assert 1 < len(server.requests) < 20


def test_a_server_that_asks_for_more_than_the_cap_ends_it(serve: Serve) -> None:
    server = serve(error(429, retry_after="3600"))
    assert _fails(_responses(server)).retryable
    assert len(server.requests) == 1


def test_a_silent_stream_counts_as_waiting(serve: Serve) -> None:
    silent = stream(["{}"], named=False, pause=8)
    server = serve(silent, silent, silent)
    start = time.monotonic()
    failed = _fails(_responses(server, Retry(max_wait=0.7, first=0.01), idle_seconds=0.4))
    assert failed.retryable
    assert time.monotonic() - start < 6
    assert len(server.requests) <= 2


def test_nobody_listening_is_retryable(serve: Serve) -> None:
    server = serve()
    url = server.url
    server.shutdown()
    server.server_close()
    model = OpenAIResponsesModel("m", base_url=url, retry=Retry(max_wait=0.1, first=0.02))
    assert _fails(model).retryable


def test_a_key_that_the_endpoint_repeats_is_written_down_nowhere(serve: Serve) -> None:
    key = "sk-planted-0123456789"
    call = function_call("shell", json.dumps({"command": f"echo {key}"}))
    server = serve(responses(message(f"Your key is {key}."), call), error(401, f"Incorrect API key: {key}."))
    model = OpenAIResponsesModel("m", base_url=server.url, api_key=key, retry=QUICK)
    turn = model.complete(PROMPT, [])
    assert key not in turn.model_dump_json()
    assert turn.text == "Your key is [the key]."
    assert json.loads(turn.tool_calls[0].arguments) == {"command": "echo [the key]"}
    failed = _fails(model)
    assert "Incorrect API key: [the key]" in str(failed)
    assert key not in str(failed)


# Choosing


def test_without_a_key_openai_is_not_asked() -> None:
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        new_model("gpt-5")


def test_the_wire_follows_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(new_model("m", base_url="http://127.0.0.1:1/v1"), OpenAIChatModel)
    assert isinstance(new_model("m", base_url="http://127.0.0.1:1/v1", wire="responses"), OpenAIResponsesModel)
    assert isinstance(new_model("m", api_key="k"), OpenAIResponsesModel)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert isinstance(new_model("m"), OpenAIChatModel)


def test_models_are_listed(serve: Serve) -> None:
    assert [offered.name for offered in list_models(base_url=serve().url)] == ["m1", "m2"]
    with pytest.raises(ListError, match="cannot be reached"):
        list_models(base_url="http://127.0.0.1:1/v1")


# A whole attempt


def assert_prefixes_are_stable(server: Server) -> None:
    """Every request begins as the one before it did: that, byte for byte, is what providers cache."""
    said = "input" if "input" in server.requests[0].body else "messages"
    bodies = [dict(request.body) for request in server.requests]
    histories = [body.pop(said) for body in bodies]
    assert all(body == bodies[0] for body in bodies)
    for shorter, longer in pairwise(histories):
        assert longer[: len(shorter)] == shorter
    for before, after in pairwise(server.requests):
        same = json.dumps(before.body[said], separators=(",", ":"), ensure_ascii=False).encode()[:-1]
        assert same in after.raw


@WIRES
def test_a_whole_session_over_the_wire(
    serve: Serve, make: Make, good: Reply, bench: FolderBench, tmp_path: Path
) -> None:
    def said(name: str, arguments: str) -> Reply:
        if make is _responses:
            return responses(REASONING, function_call(name, arguments))
        return chat(piece(0, call_id="call_1", name=name, arguments=arguments), finish="tool_calls")

    patch = update("a.py", "-x = 1", "+x = 2")
    server = serve(
        said("shell", '{"command": "cat a.py"'),
        error(500),
        said("apply_patch", json.dumps({"patch": patch})),
        good,
        said("submit", '{"summary": "x"}'),
    )
    with Trajectory(tmp_path / "t.jsonl") as record:
        outcome = run_agent(make(server), bench, "go", Limits(9, 60, None, 10_000), record)
    assert (outcome.ended, outcome.steps) == ("submitted", 4)
    assert_prefixes_are_stable(server)
    assert outcome.usage == Usage(input=400, cached=240, output=120, reasoning=80)
    assert (bench.root / "a.py").read_text() == "x = 2\n"
