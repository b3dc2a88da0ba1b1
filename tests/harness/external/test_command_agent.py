"""Any program as an agent: what it is given, what it cannot do, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from external_parts import LIMITS, PROMPT, Attempt, Ground

from agent.budget import Limits
from harness.errors import AgentFailed, UsageError
from harness.sandbox import SandboxUnavailable, use_sandbox

EDIT = "sed -i 's/range(20)/range(1)/' tiny/core.py"


def script(tmp_path: Path, text: str, name: str = "agent.sh") -> str:
    path = tmp_path / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return f"command:{path}"


def run(ground: Ground, tmp_path: Path, text: str, limits: Limits = LIMITS) -> Attempt:
    attempt = ground.attempt()
    attempt.run(ground.agent(script(tmp_path, text)), limits)
    return attempt


def test_a_program_is_given_the_prompt_twice_and_the_worktree(ground: Ground, tmp_path: Path) -> None:
    text = f'cat; cmp - "$HARNESS_PROMPT" < "$HARNESS_PROMPT" && cat "$HARNESS_PROMPT"; pwd; {EDIT}'
    attempt = ground.attempt()
    outcome = attempt.run(ground.agent(script(tmp_path, text)))
    assert (outcome.ended, outcome.usd) == ("submitted", 0.0)
    assert outcome.seconds > 0
    assert attempt.result("command").result.output == f"{PROMPT}{PROMPT}{attempt.tree}\n"
    assert "+        for _ in range(1)" in attempt.diff
    assert attempt.steps[0][:2] == (0, "command")


def test_its_tools_are_on_its_path_and_written_down(ground: Ground, tmp_path: Path) -> None:
    attempt = ground.attempt()
    outcome = attempt.run(ground.agent(script(tmp_path, f"{EDIT}; run_tests && submit 'less work'; sleep 60")))
    assert (outcome.ended, outcome.detail, outcome.steps) == ("submitted", "less work", 2)
    assert outcome.seconds < 30  # a submission ends it, if it does not end by itself
    assert attempt.calls == ["command", "run_tests", "submit"]
    assert "2 tests passed" in attempt.result("run_tests").result.output


def test_whatever_its_exit_code_its_work_counts(ground: Ground, tmp_path: Path) -> None:
    attempt = ground.attempt()
    outcome = attempt.run(ground.agent(script(tmp_path, f"{EDIT}; echo 'no more ideas' >&2; exit 3")))
    assert (outcome.ended, outcome.detail) == ("gave_up", "exit code 3: no more ideas")
    assert attempt.result("command").result.is_error
    assert "range(1)" in attempt.diff


def test_at_the_limit_it_is_stopped_with_all_it_started(ground: Ground, tmp_path: Path) -> None:
    sleeper = "7213.5"
    text = f"{EDIT}; (setsid nohup sleep {sleeper} >/dev/null 2>&1 &); sleep {sleeper}"
    start = time.monotonic()
    attempt = ground.attempt()
    outcome = attempt.run(ground.agent(script(tmp_path, text)), Limits(steps=9, seconds=1.5, usd=None, tokens=1))
    assert outcome.ended == "limit" and "1.5" not in outcome.detail
    assert time.monotonic() - start < 20
    assert not [p for p in psutil.process_iter(["cmdline"]) if sleeper in (p.info["cmdline"] or [])]
    assert "range(1)" in attempt.diff
    assert [event.event for event in attempt.events][-2:] == ["limit", "end"]


def test_endless_output_is_bounded(ground: Ground, tmp_path: Path) -> None:
    attempt = run(ground, tmp_path, "yes 'the same again' | head -c 50000000; echo the end")
    output = attempt.result("command").result.output
    assert len(output) < 25_000 and output.endswith("the end\n") and "bytes cut here" in output


def test_it_is_confined(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-secret")
    (Path(os.environ["HOME"]) / "secret").write_text("planted-in-home")
    hidden = ground.tiny.folder / "hidden_tests" / "test_hidden.py"
    text = (
        f"env; cat {os.environ['HOME']}/secret {hidden} {tmp_path}/other; ls {tmp_path}; echo x > {tmp_path}/written;"
        " python - <<'E'\nimport socket\ntry: socket.create_connection(('127.0.0.1', 1), 1)\n"
        "except OSError as error: print('network:', error)\nE\n"
    )
    (tmp_path / "other").write_text("planted-beside-the-program")
    output = run(ground, tmp_path, text).result("command").result.output
    assert "planted" not in output and "test_negative" not in output
    assert "network:" in output
    assert not (tmp_path / "written").exists()


def test_a_program_in_this_folder_is_found_by_its_name(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, EDIT)
    monkeypatch.chdir(tmp_path)
    assert ground.agent("command:./agent.sh").name == "command:agent.sh"


def test_words_that_are_paths_are_shown_to_it(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my agent.py").write_text(
        "import sys, pathlib\nprint(open(sys.argv[1]).read(), sys.argv[2])\n"
        "core = pathlib.Path('tiny/core.py')\ncore.write_text(core.read_text().replace('range(20)', 'range(1)'))\n"
    )
    (tmp_path / "hints.txt").write_text("be quick")
    monkeypatch.chdir(tmp_path)
    agent = ground.agent(f"command:{sys.executable} './my agent.py' ./hints.txt tiny/core.py")
    attempt = ground.attempt()
    attempt.run(agent)
    assert attempt.result("command").result.output == "be quick tiny/core.py\n"
    assert "range(1)" in attempt.diff
    assert agent.name == f"command:{Path(sys.executable).name}"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("command", "needs the command line"),
        ("command:", "needs the command line"),
        ("command:'never closed", "No closing quotation"),
        ("command:no-such-program-anywhere --fast", "no program 'no-such-program-anywhere' on PATH"),
        ("command:/no/such/program", "There is no program /no/such/program"),
        (f"command:{__file__}", "test_command_agent.py cannot be run"),
    ],
)
def test_what_cannot_be_run_is_told_at_once(ground: Ground, wanted: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ground.agent(wanted)


def test_a_script_without_its_interpreter_is_told_at_once(ground: Ground, tmp_path: Path) -> None:
    path = tmp_path / "agent"
    path.write_text("#!/usr/bin/env no-such-interpreter\n")
    path.chmod(0o755)
    with pytest.raises(UsageError, match="no-such-interpreter, which is not on PATH"):
        ground.agent(f"command:{path}")


@pytest.mark.parametrize("sandbox", ["auto", "none"])
def test_a_program_that_cannot_be_started_failed(ground: Ground, tmp_path: Path, sandbox: str) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF, and then nothing of the kind")
    broken.chmod(0o755)
    use_sandbox(sandbox)  # type: ignore[arg-type]
    try:
        with pytest.raises(AgentFailed, match="cannot be started") as failed:
            ground.attempt().run(ground.agent(f"command:{broken}"))
    finally:
        use_sandbox("auto")
    assert failed.value.cause == "cannot_start"


def test_a_script_that_ends_like_a_failed_start_is_still_judged(ground: Ground, tmp_path: Path) -> None:
    attempt = ground.attempt()
    outcome = attempt.run(ground.agent(script(tmp_path, f"{EDIT}; no-such-command; exit 127")))
    assert outcome.ended == "gave_up" and "range(1)" in attempt.diff


def test_an_interrupt_ends_it_tidily(ground: Ground, tmp_path: Path) -> None:
    attempt = ground.attempt()
    # Tests that were started in the background are started deaf to it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(1.0, signal.raise_signal, [signal.SIGINT]).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            attempt.run(ground.agent(script(tmp_path, "sleep 7214.5")))
    finally:
        signal.signal(signal.SIGINT, before)
    assert not [p for p in psutil.process_iter(["cmdline"]) if "7214.5" in (p.info["cmdline"] or [])]
    assert json.loads(attempt.trajectory.read_text().splitlines()[-1])["ended"] == "interrupted"
    assert not list(attempt.tree.parent.glob("*.tools"))


def test_a_host_that_is_none_and_a_sandbox_without_sockets_are_told_at_once(ground: Ground) -> None:
    with pytest.raises(UsageError, match="not a host"):
        ground.agent("command:true", hosts=("not a host",))
    with pytest.raises(UsageError, match="--allow-host"):
        ground.agent("nop", hosts=("example.com",))
    use_sandbox("landlock-only")
    try:
        with pytest.raises(SandboxUnavailable, match="no sockets"):
            ground.agent("command:true", hosts=("example.com",))
    finally:
        use_sandbox("auto")
