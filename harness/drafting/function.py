"""The function a task is drafted for, found by reading the repository: none of it is imported."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.exported import parsed
from harness.profiling.places import dotted_module
from harness.text import printable

_SKIPPED = {".git", ".venv", "venv", "build", "dist", "node_modules", "__pycache__", "site-packages"}
_COMPILED = (".so", ".pyx", ".c", ".cpp", ".cu", ".pyd")
_MOST_HOPS = 5
BY_HAND = 'Or write the bench by hand: README, "A task of your own".'


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        kind: positional_only, positional, keyword, stars or double_stars.
        annotation: its source; None without.
        default: its source; None without.
    """

    name: str
    kind: str
    annotation: str | None = None
    default: str | None = None


@dataclass(frozen=True)
class Function:
    """A function at the top of a module.

    Attributes:
        module: what it is imported from.
        file: relative to the repository's root.
        import_root: the folder, relative to the root, that has to be on the import path: `.` or `src`.
        first: the first line of its code, decorators included; what a code object calls its first line.
        is_async: a coroutine function.
        is_generator: it yields.
    """

    module: str
    name: str
    file: str
    import_root: str
    first: int
    last: int
    parameters: tuple[Parameter, ...]
    docstring: str | None
    decorators: tuple[str, ...]
    is_async: bool
    is_generator: bool


def find_function(root: Path, named: str) -> Function:
    """The function that `pkg.mod:fn` names; one that is only imported there is followed to where it is defined.

    Raises:
        UsageError: there is no such module or function (the nearest names are told), or it is nothing that a task
            can be drafted for.
    """
    module, colon, name = named.partition(":")
    if not colon or not module or not name:
        raise UsageError(
            f"--function {named}: this is no function's name.",
            remedy="Write it as pkg.mod:fn, module and function; `harness hotspots` finds one.",
        )
    if "." in name:
        raise UsageError(
            f"--function {named}: {name} is a method, and a task calls a plain function.",
            remedy="Add a function to the module that makes the object from plain data and calls it, and name that. "
            + BY_HAND,
        )
    modules = python_modules(root)
    for _ in range(_MOST_HOPS):
        if module not in modules:
            raise _no_module(root, module, modules)
        file = modules[module]
        tree = parsed((root / file).read_text(encoding="utf-8", errors="replace"))
        if tree is None:
            raise UsageError(
                f"{file}: cannot be parsed by this Python.", remedy="It could not be imported either: mend it."
            )
        defined = _definition(tree, name)
        if isinstance(defined, ast.FunctionDef | ast.AsyncFunctionDef):
            return _plain(_function(defined, module, file))
        if isinstance(defined, ast.ImportFrom):
            alias = next(each for each in defined.names if (each.asname or each.name) == name)
            module, name = _source_module(defined, module, file), alias.name
            continue
        raise _no_function(tree, module, name, file, defined)
    raise UsageError(f"--function {named}: it is imported from module to module; name the one that defines it.")


def python_modules(root: Path) -> dict[str, str]:
    """Names that the repository's files are imported by -> the files, relative to the root."""
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if not _SKIPPED & set(relative.parts):
            dotted = dotted_module(root, relative.as_posix())
            if dotted is not None:
                found.setdefault(dotted, relative.as_posix())
    return found


def _no_module(root: Path, module: str, modules: dict[str, str]) -> UsageError:
    tail = module.rpartition(".")[2]
    named = (path.relative_to(root) for path in root.rglob(f"{tail}.*") if path.suffix in _COMPILED)
    compiled = next((path for path in named if not _SKIPPED & set(path.parts)), None)
    if compiled is not None:
        return UsageError(
            f"--function: {module} is compiled ({compiled}): its functions have no Python source.",
            remedy="Name the Python function that calls it, or time a program with metric.mode command. " + BY_HAND,
        )
    near = difflib.get_close_matches(module, modules, n=3, cutoff=0.5)
    near = near or [name for name in modules if name.rpartition(".")[2] == tail][:3]
    return UsageError(
        f"--function: there is no module {printable(module)} in {root}.",
        remedy=f"Nearest: {', '.join(near)}."
        if near
        else f"Modules there: {', '.join(sorted(modules)[:8]) or 'none'}.",
    )


def _no_function(tree: ast.Module, module: str, name: str, file: str, defined: ast.stmt | None) -> UsageError:
    if isinstance(defined, ast.ClassDef):
        return UsageError(
            f"--function {module}:{name}: {name} is a class, and a task calls a plain function.",
            remedy="Add a function that makes the object and does the work, and name that. " + BY_HAND,
        )
    if defined is not None:
        return UsageError(
            f"{file}:{defined.lineno}: {name} is assigned, not defined with `def`: what it is cannot be read.",
            remedy="Name the function behind it, or write one that calls it. " + BY_HAND,
        )
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    words = f"Nearest: {', '.join(near)}." if near else f"Functions there: {', '.join(names[:10]) or 'none'}."
    return UsageError(f"--function: there is no function {printable(name)} in {module} ({file}).", remedy=words)


def _definition(tree: ast.Module, name: str) -> ast.stmt | None:
    """The last statement at the top, or in a condition there, that binds a name."""
    found: ast.stmt | None = None
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.If | ast.Try):
            waiting = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)] + waiting
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found = node if node.name == name else found
        elif isinstance(node, ast.ImportFrom):
            found = node if any((each.asname or each.name) == name for each in node.names) else found
        elif isinstance(node, ast.Assign):
            found = node if any(isinstance(t, ast.Name) and t.id == name for t in node.targets) else found
    return found


def _source_module(node: ast.ImportFrom, module: str, file: str) -> str:
    """Where `from x import y` in a module looks, relative imports resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".") if file.endswith("__init__.py") else module.split(".")[:-1]
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, module: str, file: str) -> Function:
    return Function(
        module=module,
        name=node.name,
        file=file,
        import_root="src" if file.startswith("src/") and not module.startswith("src") else ".",
        first=min([node.lineno, *(each.lineno for each in node.decorator_list)]),
        last=node.end_lineno or node.lineno,
        parameters=tuple(_parameters(node.args)),
        docstring=ast.get_docstring(node),
        decorators=tuple(ast.unparse(each) for each in node.decorator_list),
        is_async=isinstance(node, ast.AsyncFunctionDef),
        is_generator=any(isinstance(each, ast.Yield | ast.YieldFrom) for each in _own_nodes(node)),
    )


def _plain(function: Function) -> Function:
    if function.is_async and function.is_generator:
        raise UsageError(
            f"{function.file}:{function.first}: {function.name} is an asynchronous generator.",
            remedy="Name a function that takes all of it and gives back a list. " + BY_HAND,
        )
    return function


def _own_nodes(node: ast.AST) -> list[ast.AST]:
    """Everything below a function but what stands in functions inside it."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            found += [child, *_own_nodes(child)]
    return found


def _parameters(arguments: ast.arguments) -> list[Parameter]:
    def made(each: ast.arg, kind: str, default: ast.expr | None = None) -> Parameter:
        annotation = None if each.annotation is None else ast.unparse(each.annotation)
        return Parameter(each.arg, kind, annotation, None if default is None else ast.unparse(default))

    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    only = len(arguments.posonlyargs)
    kinds = ["positional_only"] * only + ["positional"] * len(arguments.args)
    found = [made(*each) for each in zip(positional, kinds, defaults, strict=True)]
    if arguments.vararg is not None:
        found.append(made(arguments.vararg, "stars"))
    found += [
        made(*pair)
        for pair in (
            (each, "keyword", default)
            for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        )
    ]
    if arguments.kwarg is not None:
        found.append(made(arguments.kwarg, "double_stars"))
    return found
