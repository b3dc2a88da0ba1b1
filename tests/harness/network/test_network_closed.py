"""What is not opened stays closed: the machine's services, other hosts, the key; and nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import psutil
import pytest
from network_parts import KEY, endpoint_server, new_budget, python_inside, run_inside
from openai_server import Server, message, responses

from harness.network import Access, Endpoint, open_access
from harness.sandbox import Wanted, choose_sandbox, working_sandboxes

NAMES = [each.name for each in working_sandboxes() if each.separates_processes]


@pytest.fixture(params=NAMES or [pytest.param("", marks=pytest.mark.skip("no sandbox works here"))])
def access(request: pytest.FixtureRequest, tmp_path: Path, server: Server) -> Iterator[Access]:
    """Access to the endpoint and to one host, with the key in the harness's own environment."""
    sandbox = choose_sandbox(cast("Wanted", request.param))
    with open_access(
        Endpoint(server.url, KEY),
        ["pypi.example"],
        new_budget(),
        tmp_path / "log.jsonl",
        sandbox=sandbox,
    ) as made:
        yield made


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with endpoint_server(responses(message("a"))) as made:
        yield made


def test_everything_else_is_out_of_reach(access: Access, server: Server, tmp_path: Path) -> None:
    port = server.server_address[1]
    script = f"""
def way(name, *address, connect=None):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.settimeout(3)
            probe.connect(address)
            if connect:
                probe.sendall(connect.encode() + b"\\r\\nHost: x\\r\\n\\r\\n")
                print(name, probe.recv(100).split()[1].decode())
            else:
                print(name, "CONNECTED")
    except OSError as error:
        print(name, "no")
way("upstream", "127.0.0.1", {port})
way("upstream6", "::1", {port})
way("other", "127.0.0.2", {port})
way("world", "192.0.2.1", 80)
way("upstream by proxy", "127.0.0.1", 28111, connect="CONNECT 127.0.0.1:{port} HTTP/1.1")
way("upstream by name", "127.0.0.1", 28111, connect="CONNECT localhost:{port} HTTP/1.1")
way("absolute", "127.0.0.1", 28111, connect="GET http://127.0.0.1:{port}/v1/models HTTP/1.1")
way("metadata", "127.0.0.1", 28111, connect="GET http://169.254.169.254/latest/meta-data HTTP/1.1")
way("gateway as proxy", "127.0.0.1", 28110, connect="CONNECT 127.0.0.1:{port} HTTP/1.1")
way("gateway as proxy 2", "127.0.0.1", 28110, connect="GET http://127.0.0.1:{port}/v1/models HTTP/1.1")
print("gateway", ask("/responses", RESPONSES)[0])
"""
    lines = dict(line.rsplit(" ", 1) for line in python_inside(access, tmp_path, script).output.splitlines())
    assert lines == {
        "upstream": "no",
        "upstream6": "no",
        "other": "no",
        "world": "no",
        "upstream by proxy": "403",
        "upstream by name": "403",
        "absolute": "403",
        "metadata": "403",
        "gateway as proxy": "401",
        "gateway as proxy 2": "401",
        "gateway": "200",
    }
    assert len(server.requests) == 1


def test_the_key_is_nowhere_inside(access: Access, server: Server, tmp_path: Path) -> None:
    # Put together inside, so as not to find the search itself.
    script = f"""
key = "".join({list(KEY)!r}).encode()
ask("/responses", RESPONSES)
looked, found = 0, []
def look(path):
    global looked
    try:
        with open(path, "rb") as stream:
            data = stream.read(1 << 24)
    except OSError:
        return
    looked += 1
    if key in data:
        found.append(path)
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline", "maps", "mountinfo", "status"):
        look(f"/proc/{{pid}}/{{name}}")
    try:
        for descriptor in os.listdir(f"/proc/{{pid}}/fd"):
            if os.path.isfile(f"/proc/{{pid}}/fd/{{descriptor}}"):
                look(f"/proc/{{pid}}/fd/{{descriptor}}")
    except OSError:
        pass
for top in ({str(tmp_path)!r}, os.environ["HOME"], "/tmp", "/dev/shm", "/run"):
    for folder, _, names in os.walk(top):
        for name in names:
            if os.path.isfile(os.path.join(folder, name)):
                look(os.path.join(folder, name))
print(looked > 5, found, key.decode() in str(os.environ))
"""
    assert python_inside(access, tmp_path, script).output == "True [] False\n"
    assert server.requests[0].authorization == f"Bearer {KEY}"


def test_the_sockets_are_all_there_is_and_cannot_be_replaced(access: Access, tmp_path: Path) -> None:
    folder = access.readable[0]
    script = f"""
folder = {str(folder)!r}
print(sorted(os.listdir(folder)))
for what in (lambda: os.unlink(folder + "/model"), lambda: os.rename(folder + "/model", folder + "/x"),
             lambda: open(folder + "/new", "w"), lambda: os.chmod(folder + "/model", 0o777)):
    try:
        what()
        print("CHANGED")
    except OSError:
        pass
print(os.path.exists(os.path.dirname(folder) + "/../log.jsonl"))
"""
    assert python_inside(access, tmp_path, script).output == "['hosts', 'model']\nFalse\n"
    assert (folder / "model").stat().st_mode & 0o777 == 0o600


def test_nothing_is_left_behind(access: Access, tmp_path: Path) -> None:
    assert run_inside(access, tmp_path, "exit 0").exit_code == 0
    assert run_inside(access, tmp_path, "sleep 60 & disown; exit 3").exit_code == 3
    assert run_inside(access, tmp_path, "sleep 60", seconds=0.5).exit_code is None
    deadline = time.monotonic() + 5
    while _forwarders(access) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _forwarders(access) == []


def _forwarders(access: Access) -> list[int]:
    folder = str(access.readable[0])
    return [each.pid for each in psutil.process_iter(["cmdline"]) if folder in (each.info["cmdline"] or [])]


def test_the_forwarder_is_no_child_and_holds_no_pipe(access: Access, tmp_path: Path) -> None:
    """A command that waits for all of its children, or for the end of its own output, must not wait for it."""
    script = """
try:
    os.wait()
    print("a child")
except ChildProcessError:
    print("no children")
"""
    start = time.monotonic()
    assert python_inside(access, tmp_path, script).output == "no children\n"
    assert time.monotonic() - start < 15


def test_many_connections_and_large_bodies_pass(access: Access, tmp_path: Path) -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(40) as pool:
    print(set(pool.map(lambda _: ask("/models")[0], range(200))))
print(ask("/responses", RESPONSES | {"input": "data:" + "x" * 8_000_000})[0])
"""
    assert python_inside(access, tmp_path, script).output == "{200}\n200\n"


def test_sockets_go_with_the_block(tmp_path: Path) -> None:
    with open_access(
        Endpoint("http://127.0.0.1:1/v1", KEY),
        ["h"],
        new_budget(),
        tmp_path / "log",
        sandbox=choose_sandbox(cast("Wanted", (NAMES or ["none"])[0])),
    ) as access:
        folders = access.readable
        assert all(sorted(path.name for path in folder.iterdir()) == ["hosts", "model"] for folder in folders)
    assert not any(folder.exists() for folder in folders)
