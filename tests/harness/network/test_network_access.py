"""A confined command reaches the gateway, in every sandbox that works here, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from network_parts import KEY, endpoint_server, log_lines, new_budget, python_inside, run_inside
from openai_server import chat, delta, message, responses

from agent.budget import Budget
from harness.errors import UsageError
from harness.network import Access, Endpoint, open_access
from harness.sandbox import SandboxUnavailable, Wanted, choose_sandbox, working_sandboxes
from harness.sandbox.landlock import KernelSandbox

NAMES = [each.name for each in working_sandboxes() if each.separates_processes]
CONFINED = pytest.mark.parametrize("name", NAMES or [pytest.param("", marks=pytest.mark.skip("no sandbox works here"))])
EVERYWHERE = pytest.mark.parametrize("name", [*NAMES, "none"])


@EVERYWHERE
def test_a_command_asks_its_model_on_both_wires(name: str, tmp_path: Path) -> None:
    budget = new_budget()
    with (
        endpoint_server(responses(message("hello")), chat(delta(content="hi"))) as server,
        opened(server.url, name, tmp_path, budget) as access,
    ):
        script = 'print(ask("/responses", RESPONSES)[0], b"hello" in ask("/chat/completions", CHAT)[2] or "chat")'
        result = python_inside(access, tmp_path, script)
        assert result.output == "200 chat\n"
        assert access.gateway
        assert access.gateway.requests == 2
    assert [request.authorization for request in server.requests] == [f"Bearer {KEY}"] * 2
    assert (budget.steps, budget.usage.input, budget.usage.cached) == (2, 200, 120)
    assert (budget.usage.output, budget.usage.reasoning) == (60, 40)


@EVERYWHERE
def test_exit_code_input_output_and_signals_are_the_commands_own(name: str, tmp_path: Path) -> None:
    with endpoint_server() as server, opened(server.url, name, tmp_path) as access:
        assert run_inside(access, tmp_path, "echo out; echo err >&2; cat; exit 7").output == "out\nerr\n"
        assert run_inside(access, tmp_path, "exit 7").exit_code == 7
        assert run_inside(access, tmp_path, "kill -TERM $$").exit_code in (-15, 143)
        # Python ignores SIGPIPE, and what it becomes would too.
        assert run_inside(access, tmp_path, "yes | head -1; echo ${PIPESTATUS[0]}").output == "y\n141\n"
        assert run_inside(access, tmp_path, "sleep 60", seconds=0.5).exit_code is None


@EVERYWHERE
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_named_host_is_reached_beside_the_gateway(name: str, host: str, tmp_path: Path) -> None:
    """Also where the host is at the very address that programs would not use a proxy for."""
    with (
        endpoint_server(responses(message("a"))) as model,
        endpoint_server() as other,
        opened(model.url, name, tmp_path, hosts=[f"{host}:{other.server_address[1]}"]) as access,
    ):
        script = f"""
print(ask("/responses", RESPONSES)[0])
print(urllib.request.urlopen("http://{host}:{other.server_address[1]}/v1/models").status)
try:
    urllib.request.urlopen("http://example.com/")
except urllib.error.HTTPError as error:
    print(error.code)
"""
        assert python_inside(access, tmp_path, script).output == "200\n200\n403\n"
    lines = log_lines(tmp_path / "log.jsonl")
    assert lines[0]["kind"] == "model"
    # What was allowed is written down when its connection ends, which may be after the next was refused.
    assert sorted((line["kind"], line["allowed"]) for line in lines[1:]) == [("proxy", False), ("proxy", True)]


def test_what_a_caller_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    for raised in (KeyboardInterrupt("ours"), UsageError("ours")):
        with pytest.raises(type(raised)) as caught, opened("http://h/v1", "none", tmp_path, hosts=["h"]):
            raise raised
        assert caught.value is raised


def test_a_host_that_is_none_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="https://x"), opened("http://h/v1", "none", tmp_path, hosts=["https://x"]):
        raise AssertionError("it must not open")
    assert list(tmp_path.iterdir()) == []


def test_without_sockets_it_says_what_is_needed(tmp_path: Path) -> None:
    with (
        pytest.raises(SandboxUnavailable, match="Install bubblewrap") as caught,
        open_access(
            Endpoint("http://127.0.0.1:1/v1"),
            [],
            new_budget(),
            tmp_path / "log",
            sandbox=KernelSandbox(namespaces=False, landlock=True),
        ),
    ):
        raise AssertionError("it must not open")
    assert "landlock-only gives commands no sockets" in str(caught.value)


def test_with_nothing_to_reach_nothing_is_started(tmp_path: Path) -> None:
    only = KernelSandbox(namespaces=False, landlock=True)
    with open_access(None, [], new_budget(), tmp_path / "log", sandbox=only) as access:
        assert (access.prefix, access.environment, access.readable, access.gateway) == ([], {}, (), None)
    assert list(tmp_path.iterdir()) == []


def opened(
    url: str, name: str, folder: Path, budget: Budget | None = None, hosts: Sequence[str] = ()
) -> contextlib.AbstractContextManager[Access]:
    """Access to an endpoint, and to hosts, from one sandbox."""
    sandbox = choose_sandbox(cast("Wanted", name))
    endpoint = Endpoint(url, KEY)
    return open_access(endpoint, hosts, budget or new_budget(), folder / "log.jsonl", sandbox=sandbox)
