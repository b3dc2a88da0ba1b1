"""A task's memory: what it is keyed by, what it keeps, and what of it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from records import AT, interval

from harness.memory import MOST_ENTRIES, Memory, Remembered, bounded, places_of, shortened_words, worth_telling

MADE_OF = {"the target": "t", "the bench": "b", "the task file": "f", "the harness": "0.1"}


def entry(number: int, **changes: Any) -> Remembered:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "at": AT,
        "run": "earlier",
        "attempt": f"{number:03d}",
        "agent": "loop",
        "model": "m",
        "strategy": "best-of-n",
        "kind": "fresh",
        "device": "AMD EPYC",
        "status": "faster",
        "cause": None,
        "finding": "",
        "speedup": interval(1.0 + number / 100),
        "workloads": {"decode-1": interval(1.0 + number / 100)},
        "said": "I sorted less.",
        "files": ["moe_align/align.py"],
        "places": ["def align(ids):"],
        "insertions": 3,
        "deletions": 1,
        "sha256": f"{number:064d}",
    }
    return Remembered.model_validate({**fields, **changes})


def test_a_memory_is_of_the_task_as_it_is() -> None:
    mine = Memory.of("align", MADE_OF)
    assert Memory.of("align", {**MADE_OF, "the task file": "other", "the harness": "0.2"}) == mine
    for changed in ({"the target": "x"}, {"the bench": "x"}, {"the metric's scripts": "x"}):
        assert Memory.of("align", {**MADE_OF, **changed}) != mine
    assert Memory.of("other", MADE_OF) != mine


def test_it_lies_in_the_users_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    memory = Memory.of("align", MADE_OF)
    assert memory.read() == []
    memory.add(entry(1))
    memory.add(entry(1))
    memory.add(entry(2))
    assert [each.attempt for each in memory.read()] == ["001", "002"]
    assert memory.path.parent == tmp_path / "perf-harness" / "memory"


def test_it_is_bounded_and_keeps_the_fastest() -> None:
    entries = [entry(number) for number in reversed(range(300))]
    kept = bounded(entries)
    assert len(kept) == MOST_ENTRIES
    assert entries[0] in kept and entries[-1] in kept
    assert entries[100] not in kept
    assert kept == [each for each in entries if each in kept]


def test_of_one_patch_what_was_found_last_is_kept() -> None:
    first, again, wrong = entry(1), entry(2, sha256=entry(1).sha256), entry(3, sha256=None)
    assert bounded([first, again, wrong, entry(4, sha256=None)]) == [again, wrong, entry(4, sha256=None)]


def test_half_of_what_is_told_are_the_fastest_and_half_the_newest() -> None:
    slow = [entry(number, status="same", speedup=interval(1.0)) for number in range(1, 9)]
    fast = [entry(20), entry(30)]
    own = entry(99, run="this")
    told = worth_telling([*fast, *slow, own], but_of="this", most=6)
    assert [each.attempt for each in told] == ["030", "020", "008", "007", "006", "005"]
    assert worth_telling([], but_of="this", most=6) == []


def test_words_and_places_are_one_line_each_and_short() -> None:
    assert shortened_words("one\n\n## two\x1b[31m\u202e \n") == "one ## two"
    assert len(shortened_words("x " * 5000)) == 600
    patch = (
        b"@@ -1,2 +1,2 @@ def align(ids):\n-a\n+b\n@@ -9 +9 @@\n-c\n+@@ fake @@ def no():\n"
        + b"@@ -1 +1 @@ "
        + b"y" * 999
    )
    assert places_of(patch) == ["def align(ids):", f"{'y' * 78} …"]
