"""`target_files` that name nothing are told before anything is built or asked of a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import harness
from tiny_task import TinyTask

from harness.errors import TaskError
from harness.source import seal
from harness.targets import require_targets, without_files
from harness.task_file import load_task


@pytest.mark.parametrize(
    ("named", "way_out"),
    [
        ("tiny/cor.py", "Did you mean tiny/core.py?"),
        ("core.py", "Did you mean tiny/core.py?"),
        ("./tiny/core.py", "Did you mean tiny/core.py?"),
        ("/etc/passwd", "Paths start at the root of the source"),
        ("*.py", "crosses folders"),
        ("tiny", "tiny is a folder: write tiny/** for all that is in it."),
        ("tiny/", "tiny is a folder: write tiny/** for all that is in it."),
    ],
)
def test_what_names_no_file_is_refused_with_a_way_out(tiny: TinyTask, tmp_path: Path, named: str, way_out: str) -> None:
    tiny.edit_task("[tiny/core.py]", f"['{named}', 'tiny/added.py']")
    loaded = load_task(str(tiny.file))
    with pytest.raises(TaskError) as refused:
        require_targets(loaded, seal(loaded, tmp_path / "base.git"))
    assert f"no file of the base matches {named}, tiny/added.py" in str(refused.value) and way_out in str(refused.value)


def test_a_file_that_a_patch_may_add_is_no_mistake(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.edit_task("[tiny/core.py]", "['tiny/c*.py', tiny/added.py]")
    loaded = load_task(str(tiny.file))
    sealed = seal(loaded, tmp_path / "base.git")
    require_targets(loaded, sealed)
    assert without_files(loaded, sealed) == ["tiny/added.py"]


@pytest.mark.parametrize("verb", [("run", "--agent", "nop"), ("check",)])
def test_no_run_and_no_check_goes_on_without(tiny: TinyTask, tmp_path: Path, verb: tuple[str, ...]) -> None:
    tiny.edit_task("[tiny/core.py]", "[tiny/cor.py]")
    ended = harness(tmp_path, verb[0], str(tiny.file), *verb[1:])
    said = " ".join((ended.stdout + ended.stderr).split())
    assert (
        ended.returncode == 2 and "Did you mean tiny/core.py?" in said and "tests" not in said.partition("no file")[0]
    )
