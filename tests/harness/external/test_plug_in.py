"""Agents that installed packages add: the one in docs/agents.md as a package, and packages that are broken."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from external_parts import Ground

from harness.errors import UsageError

DOCS = Path(__file__).parents[3] / "docs" / "agents.md"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, entry_point: str, module: str, source: str) -> None:
    """What an installer leaves of a package: its module, and metadata that name an agent."""
    metadata = folder / f"{module}-1.5.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text(f"[perf_harness.agents]\n{entry_point}\n")
    (folder / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(folder)


def test_the_documented_agent_edits_confined_and_on_record(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [source] = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    install(tmp_path / "site", monkeypatch, "sed = sed_agent:make", "sed_agent", source)
    attempt = ground.attempt()
    outcome = attempt.run(ground.agent(f"sed:s/range(20)/range(1)/;w {tmp_path}/outside"))
    assert (outcome.ended, (tmp_path / "outside").exists()) == ("gave_up", False)
    attempt = ground.attempt()
    outcome = attempt.run(ground.agent("sed:s/range(20)/range(1)/"))
    assert outcome.ended == "submitted"
    assert "+        for _ in range(1)" in attempt.diff
    assert attempt.calls == ["sed"]
    with pytest.raises(UsageError, match="needs an expression"):
        ground.agent("sed")
    with pytest.raises(UsageError, match="Did you mean 'sed'"):
        ground.agent("sad")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module", r"'broken' of broken-agent 1.5 .* cannot be loaded: No module named"),
        ("", "cannot be loaded: .*make"),
        ("def make(request): return object()", "is no agent: it lacks name, model, note, version, own_tools"),
    ],
)
def test_a_broken_package_is_named(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    monkeypatch.delitem(sys.modules, "broken_agent", raising=False)
    install(tmp_path, monkeypatch, "broken = broken_agent:make", "broken_agent", source)
    with pytest.raises(UsageError, match=words):
        ground.agent("broken")
