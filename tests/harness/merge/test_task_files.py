"""What a task brings to a bundle: all that judging needs, with paths that fit, and a base that is whole or pinned."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from reference_figures import write_references
from tiny_task import TinyTask

from harness.errors import UsageError
from harness.merge import bundle
from harness.merge.base import OldBase
from harness.merge.bundle import Contents, add_base
from harness.merge.home import with_source
from harness.merge.task_files import task_files
from harness.source import seal
from harness.task import LoadedTask, Source
from harness.task_file import load_task


def taken(tiny: TinyTask, *, hidden_tests: bool = True) -> dict[str, bytes]:
    name, files = task_files(load_task(str(tiny.file)), "../base", hidden_tests=hidden_tests)
    assert name == "tiny.yaml"
    return files


def test_what_plays_no_part_in_judging_stays_behind(tiny: TinyTask) -> None:
    (tiny.folder / "hidden_tests" / "__pycache__").mkdir()
    (tiny.folder / "hidden_tests" / "__pycache__" / "x.pyc").write_bytes(b"x")
    write_references(tiny.folder / "figures.json")
    tiny.edit_task("api: tiny", "api: tiny\nreferences: figures.json")
    files = taken(tiny)
    assert sorted(files) == ["bench.py", "hidden_tests/test_hidden.py", "tiny.yaml"]
    said = yaml.safe_load(files["tiny.yaml"])
    assert said["source"] == {"path": "../base"} and said["min_effect"] == 0.2
    assert not {"recorded", "limits", "references"} & set(said)
    without = taken(tiny, hidden_tests=False)
    assert sorted(without) == ["bench.py", "tiny.yaml"]
    assert yaml.safe_load(without["tiny.yaml"])["tests"] == {"public": ["python -m pytest -q tests"]}


def test_modules_beside_the_bench_come_along_where_it_imports_them(tiny: TinyTask) -> None:
    bench = tiny.folder / "bench.py"
    bench.write_text("import sys\nfrom shapes import SHAPES\n" + bench.read_text())
    (tiny.folder / "shapes.py").write_text("import sizes\nSHAPES = sizes.ALL\n")
    (tiny.folder / "sizes.py").write_text("ALL = []\n")
    (tiny.folder / "unrelated.py").write_text("secret = 1\n")
    assert {"shapes.py", "sizes.py"} < set(taken(tiny)) and "unrelated.py" not in taken(tiny)


def test_what_the_bench_names_beside_itself_comes_along(tiny: TinyTask) -> None:
    bench = tiny.folder / "bench.py"
    bench.write_text(
        'from pathlib import Path\nimport helpers\nHERE = Path(__file__).parent\nREFERENCE = HERE / "reference"\n'
        'NOT = ("hidden_tests", "recorded.jsonl", "target", "../outside.txt", ".", "", "no such file")\n'
        + bench.read_text()
    )
    (tiny.folder.parent / "outside.txt").write_text("mine")
    for name in ("reference/tiny/core.py", "reference/tiny/__pycache__/core.pyc", "unnamed/x.json"):
        (tiny.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (tiny.folder / name).write_text("1")
    (tiny.folder / "helpers").mkdir()
    (tiny.folder / "helpers" / "__init__.py").write_text('SHAPES = "shapes.json"\n')
    (tiny.folder / "shapes.json").write_text("[]")
    files = taken(tiny, hidden_tests=False)
    assert sorted(files) == ["bench.py", "helpers/__init__.py", "reference/tiny/core.py", "shapes.json", "tiny.yaml"]


def test_what_lies_outside_the_tasks_folder_gets_a_place(tiny: TinyTask) -> None:
    other = tiny.folder.parent / "elsewhere"
    other.mkdir()
    (tiny.folder / "bench.py").rename(other / "bench.py")
    (tiny.folder / "hidden_tests").rename(other / "hidden")
    tiny.edit_task("bench: bench.py", "bench: ../elsewhere/bench.py")
    tiny.edit_task("hidden: hidden_tests", f"hidden: {other}/hidden")
    files = taken(tiny)
    assert sorted(files) == ["outside/bench.py", "outside/hidden/test_hidden.py", "tiny.yaml"]
    assert str(tiny.folder.parent).encode() not in files["tiny.yaml"]


def test_an_overlay_comes_along_where_the_base_is_fetched_anew(tiny: TinyTask) -> None:
    (tiny.folder / "beside").mkdir()
    (tiny.folder / "beside" / "test_more.py").write_text("def test_more(): pass\n")
    tiny.edit_task("source: {path: target}", "source: {pypi: tiny==1.0, overlay: beside}")
    _, files = task_files(load_task(str(tiny.file)), None, hidden_tests=True)
    assert yaml.safe_load(files["tiny.yaml"])["source"] == {"pypi": "tiny==1.0", "overlay": "beside"}
    assert "beside/test_more.py" in files
    # Another version of the target gets the same.
    moved = with_source(load_task(str(tiny.file)), Source(pypi="tiny==2.0"))
    assert moved.task.source == Source(pypi="tiny==2.0", overlay="beside")
    # A base that travels whole has it in it.
    assert "beside/test_more.py" not in taken(tiny)


def test_a_link_out_of_the_hidden_tests_is_not_followed(tiny: TinyTask) -> None:
    (tiny.folder / "hidden_tests" / "data").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="is a link out of the hidden tests"):
        taken(tiny)


def test_scripts_that_a_command_names_come_along(tiny: TinyTask) -> None:
    (tiny.folder / "tools").mkdir()
    (tiny.folder / "tools" / "go.py").write_text("print(1)\n")
    text = tiny.file.read_text().replace("bench: bench.py\n", "").replace("api: tiny\n", "")
    command = 'metric: {mode: command, command: "python {task}/tools/go.py {seed}"}\n'
    tiny.file.write_text(text + command)
    assert taken(tiny)["tools/go.py"] == b"print(1)\n"
    tiny.file.write_text(text + command.replace("tools/go.py", "../go.py"))
    (tiny.folder.parent / "go.py").write_text("print(2)\n")
    with pytest.raises(UsageError, match="outside the task's folder"):
        taken(tiny)


def _base(tiny: TinyTask, tmp_path: Path, source: Source | None = None) -> OldBase:
    loaded = load_task(str(tiny.file))
    repository = seal(loaded, tmp_path / "base.git")
    if source is not None:
        loaded = LoadedTask(task=loaded.task.model_copy(update={"source": source}), file=loaded.file)
    return OldBase(loaded, repository, None, None)


def test_modes_and_links_of_the_base_are_kept(tiny: TinyTask, tmp_path: Path) -> None:
    (tiny.folder / "target" / "run.sh").write_text("#!/bin/sh\n")
    (tiny.folder / "target" / "run.sh").chmod(0o755)
    (tiny.folder / "target" / "tiny" / "alias.py").symlink_to("../tiny/core.py")
    found = Contents()
    assert add_base(_base(tiny, tmp_path), found)
    assert found.executable == {"base/run.sh"} and found.links == {"base/tiny/alias.py": "../tiny/core.py"}
    assert "base/tiny/core.py" in found.files


@pytest.mark.parametrize("odd", ["large", "many", "link", "name"])
def test_a_base_that_does_not_fit_is_pinned_or_refused(
    tiny: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    target = tiny.folder / "target"
    if odd == "large":
        monkeypatch.setattr(bundle, "MOST_BASE_BYTES", 100)
    elif odd == "many":
        monkeypatch.setattr(bundle, "MOST_BASE_FILES", 2)
    elif odd == "link":
        (target / "out").symlink_to("../../secret")
    else:
        Path(os.fsdecode(os.fsencode(target) + b"/\xff.txt")).write_text("x")
    base = _base(tiny, tmp_path)
    with pytest.raises(UsageError, match="cannot be put into a bundle") as refused:
        add_base(base, Contents())
    assert "git URL or a PyPI version" in str(refused.value)
    remote = Source(git="https://ann:secret@git.example/x.git", commit="abc")
    found = Contents()
    pinned = OldBase(_base(tiny, tmp_path / "again", remote).loaded, base.repository, None, None)
    assert not add_base(pinned, found) and not found.files
    files = task_files(pinned.loaded, None, hidden_tests=True)[1]
    assert yaml.safe_load(files["tiny.yaml"])["source"] == {"git": "https://git.example/x.git", "commit": "abc"}
