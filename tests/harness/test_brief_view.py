"""What an attempt was told, beside its verdict: damaged, it hides neither that nor itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from records import verdict, write_run

from harness.brief_view import brief_json, brief_parts


@pytest.mark.parametrize("damage", ["", '{"strategy": "ref', "\0\0\0", "[]"])
def test_a_damaged_brief_is_told_of(tmp_path: Path, damage: str) -> None:
    attempt = write_run(tmp_path / "runs", verdict()).attempt("001").create()
    attempt.brief.write_text(damage)
    (told,) = brief_parts(attempt)
    assert "brief.json: it was edited or damaged" in told.plain
    assert "brief.json" in str((brief_json(attempt) or {})["problem"])
