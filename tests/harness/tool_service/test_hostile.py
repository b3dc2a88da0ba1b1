"""What comes down the pipes is written by anybody: none of it harms the harness, and the next call goes through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from service_parts import SANDBOXES, SlowBench, events, inside, served

from harness.tool_service import ToolAccess

GOOD = "1.25x [1.20, 1.30]\n"


def write(access: ToolAccess, data: bytes) -> None:
    descriptor = os.open(access.folder / "pipes" / "request", os.O_WRONLY)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0\xff\xfe garbage\n" * 50,
        b"half a line that never ends",
        b"x" * 500_000,
        b"[" * 100_000 + b"\n",
        b'{"id": "a", "tool": "measure"}\n',
        b'{"id": 1, "tool": "measure", "arguments": {}}\n',
        b'{"id": "a", "tool": "measure", "arguments": {}, "more": 1}\n',
        json.dumps({"id": "a" * 5000, "tool": "measure", "arguments": {}}).encode() + b"\n",
        b'{"id": "\\ud800", "tool": "measure", "arguments": {}}\n',
        b"\n" * 100_000,
        b'{"id": "nobody", "tool": "measure", "arguments": {}}\n' * 100,
    ],
    ids=["binary", "half", "huge", "deep", "short", "type", "extra", "id", "surrogate", "empty", "nobody"],
)
def test_garbage_is_passed_over(garbage: bytes, tmp_path: Path) -> None:
    with served(tmp_path) as access:
        write(access, garbage)
        done = inside("measure", access, tmp_path)
        assert (done.exit_code, done.output) == (0, GOOD)
        assert access.calls == 1, "nobody waited for the others"
    assert len(events(tmp_path)) == 2


@pytest.mark.parametrize("tool", ["shell", "apply_patch", "update_plan", "__init__", ""])
def test_only_the_four_tools_are_served(tool: str, tmp_path: Path) -> None:
    with served(tmp_path) as access:
        line = [sys.executable, "-I", str(Path(__file__).parents[3] / "harness/tool_service/inside")]
        done = subprocess.run([*line, access.folder, tool], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 1
        assert "There is no tool" in done.stdout
        assert (access.calls, access.bad_calls) == (0, 1)
    assert events(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("what", ["garbage", "", "x" * 5000], ids=["lines", "newlines", "no newline"])
def test_a_flood_keeps_nobody_busy(what: str, tmp_path: Path) -> None:
    """Five writers of garbage for two seconds: this process stays quiet, and a call goes through afterwards."""
    with served(tmp_path) as access:
        cut = "tr -d '\\n'" if len(what) > 100 else "cat"
        flood = f"timeout 2 yes '{what}' | {cut} > {access.folder / 'pipes' / 'request'}"
        before, start = psutil.Process().cpu_times(), time.monotonic()
        writers = [subprocess.Popen(["bash", "-c", flood]) for _ in range(5)]
        for writer in writers:
            writer.wait(60)
        after, passed = psutil.Process().cpu_times(), time.monotonic() - start
        assert after.user + after.system - before.user - before.system < 0.6 * passed
        assert inside("measure", access, tmp_path).output == GOOD


@pytest.mark.slow
def test_hundreds_of_callers_at_once_are_served_one_after_the_other(tmp_path: Path) -> None:
    with served(tmp_path) as access:
        callers = [
            subprocess.Popen([access.bin / "measure"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for _ in range(200)
        ]
        assert [caller.communicate(timeout=120)[0] for caller in callers] == [GOOD] * 200
        assert access.calls == 200


def test_hundreds_that_only_open_the_pipes_are_in_nobodys_way(tmp_path: Path) -> None:
    with served(tmp_path) as access:
        held = [
            os.open(access.folder / "pipes" / name, flags | os.O_NONBLOCK)
            for _ in range(150)
            for name, flags in (("request", os.O_WRONLY), ("answer", os.O_RDONLY))
        ]
        try:
            done = inside("measure", access, tmp_path)
        finally:
            for descriptor in held:
                os.close(descriptor)
        assert (done.exit_code, done.output) == (0, GOOD)


@pytest.mark.slow
def test_a_caller_that_reads_nothing_is_let_go_of(tmp_path: Path) -> None:
    """It asks for far more than a pipe holds, and never reads; the attempt's end does not wait for it."""
    bench = SlowBench(tmp_path / "tree")
    bench.measure_report = lambda: "x" * 20_000
    with served(tmp_path, bench) as access:
        answers = os.open(access.folder / "pipes" / "answer", os.O_RDONLY | os.O_NONBLOCK)
        request = json.dumps({"id": "a", "tool": "measure", "arguments": {}}).encode() + b"\n"
        write(access, request * 6)
        deadline = time.monotonic() + 20
        while access.calls < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        start = time.monotonic()
    os.close(answers)
    assert time.monotonic() - start < 8
    assert access.calls >= 4


def test_what_an_agent_puts_in_place_of_the_pipes_is_not_used(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    with served(tmp_path) as access:
        answer = access.folder / "pipes" / "answer"
        reader = os.open(answer, os.O_RDONLY | os.O_NONBLOCK)
        answer.unlink()
        answer.symlink_to(secret)
        write(access, b'{"id": "a", "tool": "measure", "arguments": {}}\n')
        deadline = time.monotonic() + 10
        while access.calls == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert access.calls == 1
        os.close(reader)
        (access.folder / "pipes" / "link").symlink_to(tmp_path)
    assert secret.read_text() == "mine"
    assert not access.folder.exists()


@pytest.mark.parametrize("sandbox", SANDBOXES.values(), ids=SANDBOXES)
def test_the_commands_themselves_cannot_be_changed_from_inside(sandbox, tmp_path: Path) -> None:  # noqa: ANN001
    with served(tmp_path) as access:
        before = {path: path.read_bytes() for path in access.bin.iterdir()}
        done = inside(
            'for each in "$HARNESS_TOOLS"/bin/* "$HARNESS_TOOLS"/tools.json; do echo x > "$each"; rm -f "$each"; done; '
            'touch "$HARNESS_TOOLS"/bin/new && echo made; measure',
            access,
            tmp_path,
            sandbox,
        )
        assert "made" not in done.output.splitlines()
        assert done.output.endswith(GOOD)
        assert {path: path.read_bytes() for path in access.bin.iterdir()} == before
