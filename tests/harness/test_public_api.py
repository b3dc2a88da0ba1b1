"""The public API of a package, held without importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import Rejected
from harness.public_api import require_unbroken_api

INIT = '"""Pkg."""\n\nfrom pkg.core import Thing, work\n\n__all__ = ["Thing", "work"]\n'
CORE = """
import os

LIMIT = 3
print("imported"); open("/nonexistent/imported")


def work(values, size=2, *, fast=False):
    return values


def helper(x):
    return x


class Thing:
    def run(self, x):
        return x

    def _inner(self):
        pass
"""


def hold(tmp_path: Path, core: str, init: str = INIT, *, base_init: str = INIT, folder: str = ".") -> None:
    for name, text, start in (("base", CORE, base_init), ("candidate", core, init)):
        package = tmp_path / name / folder / "pkg"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(start)
        (package / "core.py").write_text(text)
    require_unbroken_api("pkg", tmp_path / "base", tmp_path / "candidate")


@pytest.mark.parametrize("folder", [".", "src"])
@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("def work(", "def work_hard(", "work"),
        ("size=2", "count=2", "size"),
        ("size=2, ", "", "size"),
        ("size=2", "size", "size"),
        ("size=2", "size=3", "size"),
        ("values, size", "values, more, size", "more"),
        ("*, fast", "*, really, fast", "really"),
        ("class Thing", "class Think", "Thing"),
        ("def run(self, x)", "def run(self)", "run"),
        ("def run(", "def walk(", "run"),
    ],
)
def test_a_broken_api_is_rejected(tmp_path: Path, folder: str, old: str, new: str, names: str) -> None:
    assert old in CORE
    with pytest.raises(Rejected) as end:
        hold(tmp_path, CORE.replace(old, new), folder=folder)
    assert end.value.cause == "api_broken"
    assert names in end.value.message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return values", "return list(values)"),
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3\n", ""),
        ("def helper(x)", "def helped(x, y)"),
        ("def _inner", "def _other"),
        ("fast=False", "fast=False, more=None"),
        ("def work(values", "def work(values: list[int]"),
        ("return values", "return (values"),
    ],
)
def test_what_callers_do_not_write_may_change(tmp_path: Path, old: str, new: str) -> None:
    assert old in CORE
    hold(tmp_path, CORE.replace(old, new))


@pytest.mark.parametrize(
    "source", ["x = " + "-" * 90_000 + "1\n", "x = " + "lambda: " * 3000 + "1\n", "x = 1" + " + 1" * 90_000]
)
def test_source_that_is_too_much_for_a_parser_is_left_to_its_tests(tmp_path: Path, source: str) -> None:
    hold(tmp_path, CORE + source)


def test_without_all_every_public_name_is_held(tmp_path: Path) -> None:
    bare = '"""Pkg."""\n'
    with pytest.raises(Rejected, match="helper"):
        hold(tmp_path, CORE.replace("def helper", "def helped"), bare, base_init=bare)


def test_a_name_that_left_the_package_is_missed(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="work"):
        hold(tmp_path, CORE, INIT.replace("Thing, work", "Thing").replace(', "work"', ""))


def test_a_package_that_is_not_source_is_passed_over(tmp_path: Path) -> None:
    require_unbroken_api("nowhere", tmp_path, tmp_path)
