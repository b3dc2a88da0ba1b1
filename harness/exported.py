"""What a package exports, and which functions of a file that leads to: read from source, nothing imported."""

from __future__ import annotations

import ast
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def exported_names(root: Path, api: str) -> set[str]:
    """The public names of a package or module below `root` or its `src`: its `__all__`, or else what it defines."""
    folders = [each.joinpath(*api.split(".")) for each in (root, root / "src")]
    files = [path for folder in folders for path in (folder / "__init__.py", folder.with_suffix(".py"))]
    source = next((path for path in files if path.is_file()), None)
    tree = None if source is None else parsed(source.read_text(encoding="utf-8", errors="replace"))
    if tree is None:
        return set()
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return {str(each.value) for each in ast.walk(node.value) if isinstance(each, ast.Constant)}
        if isinstance(node, ast.ImportFrom | ast.Import):
            names |= {each.asname or each.name for each in node.names}
        elif isinstance(node, Function):
            names.add(node.name)
    return {name for name in names if not name.startswith("_")}


def called_names(bench: Path) -> set[str]:
    """What the `call` of a bench takes from its target by name, such as `hot` of `target.hot(inputs["x"])`."""
    tree = parsed(bench.read_text(encoding="utf-8", errors="replace"))
    calls = [] if tree is None else [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "call"]
    if not calls or not calls[0].args.args:
        return set()
    target = calls[0].args.args[0].arg
    attributes = [node for node in ast.walk(calls[0]) if isinstance(node, ast.Attribute)]
    return {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == target}


def reachable(tree: ast.Module, names: set[str]) -> list[Function]:
    """The top-level functions and classes that `names` lead to by name; all of them where none is defined here."""
    defined = {node.name: node for node in tree.body if isinstance(node, Function)}
    waiting = [name for name in defined if name in names] or list(defined)
    found: dict[str, Function] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = defined[name]
        used = {node.id for node in ast.walk(defined[name]) if isinstance(node, ast.Name)}
        waiting += [other for other in used if other in defined]
    return sorted(found.values(), key=lambda node: node.lineno)


def parsed(text: str) -> ast.Module | None:
    """The tree of a Python source; None where it is none."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None
