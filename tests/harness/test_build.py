"""Build commands: logged whole, and a failure carries the compiler's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.build import build
from harness.errors import BuildFailed


def test_commands_run_in_the_checkout_and_are_logged(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    build(["echo one > made", "cat made"], tmp_path, tmp_path / "scratch", log)
    assert "$ echo one > made" in log.read_text()
    assert "one\n" in log.read_text().split("$ cat made")[1]


def test_a_failure_names_the_command_and_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as end:
        build(["echo 'error: no such type' >&2; exit 3", "touch never"], tmp_path, tmp_path / "s", tmp_path / "log")
    assert "exit code 3" in end.value.message
    assert "error: no such type" in end.value.message
    assert not (tmp_path / "never").exists()


def test_the_environment_carries_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-secret")
    monkeypatch.setenv("MY_TOKEN", "planted-too")
    build(["env"], tmp_path, tmp_path / "scratch", tmp_path / "log")
    assert "planted" not in (tmp_path / "log").read_text()
