"""What a request to the endpoint may ask for, and what a reply says it cost, wherever its bytes are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.messages import Usage
from harness.errors import UsageError
from harness.network.asked import Refused, understand
from harness.network.endpoint import OPENAI_URL, Endpoint
from harness.network.headers import Redactor
from harness.network.usage import EventReader, estimate_tokens, usage_of

FUNCTION = {"type": "function", "name": "f", "parameters": {"properties": {"image_url": {"type": "string"}}}}
PICTURE = {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}


def ask(path: str = "responses", **body: Any) -> Any:  # noqa: ANN401 - whatever a client may send
    return understand("POST", path, json.dumps({"model": "m", **body}).encode(), ())


@pytest.mark.parametrize(
    "body",
    [
        {"input": "https://example.com is an address in a text", "tools": [FUNCTION]},
        {"input": [PICTURE, {"type": "function_call", "name": "f", "arguments": '{"image_url": "http://x"}'}]},
        {"tools": [{"type": "namespace", "tools": [FUNCTION]}, {"type": "custom"}, {"type": "local_shell"}]},
        {"tools": [{"type": "shell", "environment": {"type": "local"}}], "background": False},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": None, "detail": "low"}]}]},
    ],
)
def test_an_agents_own_tools_and_data_pass(body: dict[str, Any]) -> None:
    assert json.loads(ask(**body).content) == {"model": "m", **body}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"tools": [FUNCTION, {"type": "web_search"}]}, "hosted_tool"),
        ({"tools": [{"type": "web_search_preview_2025_03_11"}]}, "hosted_tool"),
        ({"tools": [{"type": "mcp", "server_url": "https://evil.example"}]}, "hosted_tool"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "hosted_tool"),
        ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, "hosted_tool"),
        ({"tools": [{"type": "namespace", "tools": [{"type": "web_search"}]}]}, "hosted_tool"),
        ({"tools": ["web_search"]}, "hosted_tool"),
        ({"web_search_options": {"user_location": None}}, "hosted_tool"),
        ({"plugins": [{"id": "web"}]}, "hosted_tool"),
        ({"prompt": {"id": "pmpt_1"}}, "hosted_tool"),
        ({"input": [{"content": [{"type": "input_image", "image_url": "https://evil.example/?q=1"}]}]}, "hosted_tool"),
        ({"input": [{"output": [{"type": "input_file", "file_url": "https://evil.example/"}]}]}, "hosted_tool"),
        ({"messages": [{"content": [{"image_url": {"url": "http://evil.example/"}}]}]}, "hosted_tool"),
        ({"messages": [{"content": [{"video_url": {"url": "file:///etc/passwd"}}]}]}, "hosted_tool"),
        ({"background": True}, "background"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"model": None}, "no_model"),
        ({"model": ["m"]}, "no_model"),
    ],
)
def test_what_the_provider_would_do_for_it_does_not(body: dict[str, Any], code: str) -> None:
    for path in ("responses", "chat/completions"):
        with pytest.raises(Refused) as caught:
            ask(path, **body)
        assert (caught.value.code, caught.value.status) == (code, 400)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'"x"', b"[" * 100_000, b"\xff"])
def test_what_is_no_request_is_told(content: bytes) -> None:
    with pytest.raises(Refused) as caught:
        understand("POST", "responses", content, ())
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "files"),
        ("POST", "files"),
        ("GET", "responses/resp_1"),
        ("DELETE", "models/m"),
        ("POST", "models"),
        ("GET", "models/../files"),
        ("GET", "models/a/..%2ffiles"),
        ("GET", "models//x"),
        ("POST", "chat/completions/"),
        ("POST", "responses?x"),
        ("POST", "embeddings"),
    ],
)
def test_no_other_way_leads_on(method: str, path: str) -> None:
    with pytest.raises(Refused) as caught:
        understand(method, path, b'{"model": "m"}', ())
    assert caught.value.status == 404


def test_a_name_that_is_there_twice_is_sent_once() -> None:
    asked = understand(
        "POST", "responses", b'{"model": "dear", "background": true, "model": "m", "background": 0}', ("m",)
    )
    assert json.loads(asked.content) == {"model": "m", "background": 0}


def test_estimates_leave_out_what_is_no_text() -> None:
    assert estimate_tokens({"input": "four" * 100}) == 101
    secret = {"type": "reasoning", "encrypted_content": "x" * 10_000}
    assert estimate_tokens([PICTURE, secret]) < 40


STREAM = (
    b'event: response.created\ndata: {"type": "response.created", "response": {"usage": null}}\n\n'
    b": a comment\n\n"
    b'data: {"type": "response.output_text.delta", "delta": "said \\u20ac"}\r\n\r\n'
    b'data: {"type": "response.completed",\ndata: "response": {"usage": {"input_tokens": 5, "output_tokens": 7}}}\n\n'
    b"data: [DONE]\n\ndata: cut"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_a_stream_is_read_wherever_it_is_cut(size: int) -> None:
    reader = EventReader()
    events = [event for at in range(0, len(STREAM), size) for event in reader.feed(STREAM[at : at + size])]
    assert b"".join(event.raw for event in events) + reader.rest() == STREAM
    assert len(events) == 5
    assert reader.usage == Usage(input=5, output=7)
    assert reader.written_tokens == 2


@pytest.mark.parametrize(
    "body",
    [None, [], {"usage": []}, {"usage": None}, {"response": None}, {"response": {"usage": "x"}}],
)
def test_no_usage_is_none(body: object) -> None:
    assert usage_of(body) is None


def test_nonsense_in_usage_counts_nothing() -> None:
    odd = {"input_tokens": -5, "output_tokens": True, "input_tokens_details": None}
    assert usage_of({"usage": odd}) == Usage()
    assert usage_of({"usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}}}) == Usage(
        input=3, cached=3
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_the_key_is_taken_out_wherever_it_is_cut(size: int) -> None:
    redactor = Redactor("aab")
    data = b"aaab aab aaaab ab aa"
    out = b"".join(redactor.feed(data[at : at + size]) for at in range(0, len(data), size)) + redactor.rest()
    assert out == data.replace(b"aab", b"[key]")


def test_nothing_is_held_back_that_is_no_key() -> None:
    assert Redactor("sk-1").feed(b"data: hello\n\n") == b"data: hello\n\n"
    assert Redactor(None).feed(b"anything") == b"anything"


def test_the_endpoint_is_the_users_and_its_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no key"):
        Endpoint.from_environment()
    assert Endpoint.from_environment("http://h/v1") == Endpoint("http://h/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    found = Endpoint.from_environment(models=("m",))
    assert (found.base_url, found.api_key, found.models) == (OPENAI_URL, "sk-1", ("m",))
    assert "sk-1" not in repr(found)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://other/v1")
    assert Endpoint.from_environment().base_url == "http://other/v1"


@pytest.mark.parametrize("url", ["h/v1", "ftp://h/v1", "http:///v1", "http://h/v1?key=sk-1", "http://u:sk-1@h/v1"])
def test_an_address_that_is_none_is_told_without_its_secrets(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Endpoint(url)
    assert "sk-1" not in str(caught.value)


def test_a_key_with_a_line_break_is_told() -> None:
    with pytest.raises(UsageError, match="line break"):
        Endpoint("http://h/v1", "sk-1\n")
