"""Whose a frame is: the function of the repository that its code stands in, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from harness.exported import parsed

# Name, file relative to the repository, first line of the code.
Frame = tuple[str, str, int]
Kind = Literal["function", "method", "nested", "module"]

MODULE_LEVEL = "(module level)"


@dataclass(frozen=True, order=True)
class Place:
    """A function of the repository.

    Attributes:
        file: relative to the repository's root.
        line: of its `def`; 1 for what runs when a module is imported.
        name: qualified, such as `Grid.step` or `solve`.
        kind: a plain function at the top of a module, a method, one inside another function, or module level.
    """

    file: str
    line: int
    name: str
    kind: Kind = field(compare=False)


@dataclass(frozen=True)
class _Span:
    place: Place
    first: int
    last: int


class Places:
    """The functions of a tree. Lambdas and comprehensions count for the function that they stand in."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, list[_Span]] = {}
        self._known: dict[Frame, Place] = {}

    def of(self, frame: Frame) -> Place:
        """The innermost function whose lines a frame's code begins in."""
        if frame not in self._known:
            _, file, line = frame
            around = [span for span in self._spans(file) if span.first <= line <= span.last]
            innermost = max(around, key=lambda span: span.first, default=None)
            self._known[frame] = innermost.place if innermost else Place(file, 1, MODULE_LEVEL, "module")
        return self._known[frame]

    def _spans(self, file: str) -> list[_Span]:
        if file not in self._files:
            path = (self._root / file).resolve()
            tree = None
            if path.is_relative_to(self._root.resolve()) and path.is_file():  # a frame's file is the program's own word
                tree = parsed(path.read_text(encoding="utf-8", errors="replace"))
            self._files[file] = [] if tree is None else list(_spans(tree, file, "", "function"))
        return self._files[file]


def _spans(node: ast.AST, file: str, prefix: str, kind: Kind) -> Iterator[_Span]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
            place = Place(file, child.lineno, prefix + child.name, kind)
            yield _Span(place, first, child.end_lineno or child.lineno)
            yield from _spans(child, file, f"{place.name}.", "nested")
        elif isinstance(child, ast.ClassDef):
            yield from _spans(child, file, f"{prefix}{child.name}.", "nested" if kind == "nested" else "method")
        else:
            yield from _spans(child, file, prefix, kind)


def dotted_module(root: Path, file: str) -> str | None:
    """The name a file is imported by from the root of its repository, or from `src` in it; None where it has none."""
    path = PurePosixPath(file)
    parts = list(path.with_suffix("").parts)
    if path.suffix != ".py" or not parts:
        return None
    if parts[0] == "src" and len(parts) > 1 and not (root / "src" / "__init__.py").is_file():
        parts = parts[1:]
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None
