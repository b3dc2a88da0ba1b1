"""Which function a name means, and what is said where it means none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.drafting.function import find_function
from harness.errors import UsageError


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("src/fast.pyx", r"fast is compiled \(src/fast\.pyx\)"),
        ("pkg/fast.cpython-311-x86_64-linux-gnu.so", r"fast is compiled \(pkg/fast\.cpython"),
        ("pkg/fastest.so", "there is no module fast in"),
        (".venv/lib/python3.11/site-packages/other/fast.so", "there is no module fast in"),
    ],
)
def test_a_module_is_compiled_only_where_its_own_file_is(file: str, says: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(UsageError, match=says):
        find_function(tmp_path, "fast:run")
