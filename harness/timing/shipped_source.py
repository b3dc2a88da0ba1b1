"""The source of one function of a bench, fit to run on its own in a worker, which sees nothing else of the bench."""

from __future__ import annotations

import ast
import builtins
import symtable
from pathlib import Path

from harness.errors import TaskError


def self_contained_source(source: str, name: str, path: Path) -> str:
    """The source of one top-level function, without annotations, fit to run on its own in a worker.

    Raises:
        TaskError: `name` is no plain top-level function, or it reads a name that is neither a builtin nor its
            own; the message names it.
    """
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name]
    if len(functions) != 1:
        raise TaskError(f"{path}: {name} must be defined once, with `def {name}(...)` at the top level of the bench.")
    function = functions[0]
    if function.decorator_list:
        raise TaskError(f"{path}:{function.lineno}: {name} must not be decorated: its source alone goes to workers.")
    shipped = ast.unparse(_WithoutAnnotations().visit(function))
    free = sorted(_free_names(symtable.symtable(shipped, str(path), "exec")))
    if free:
        raise TaskError(
            f"{path}:{function.lineno}: {name} reads {', '.join(free)} from outside itself.",
            remedy=f"Workers get the source of {name} and nothing else of the bench: import or define it inside.",
        )
    return shipped


class _WithoutAnnotations(ast.NodeTransformer):
    """Annotations are for readers and checkers; in a worker their names are not there."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)


def _free_names(table: symtable.SymbolTable) -> set[str]:
    """Names read from module scope, in this scope and those inside it, that are no builtins."""
    at_top = table.get_type() == "module"
    free = set()
    for symbol in table.get_symbols():
        reads_module = symbol.is_referenced() and (at_top or symbol.is_global())
        if reads_module and not hasattr(builtins, symbol.get_name()):
            free.add(symbol.get_name())
    for child in table.get_children():
        free |= _free_names(child)
    # A function may call itself: its own name is the one thing the worker has besides the builtins.
    return free - {symbol.get_name() for symbol in table.get_symbols() if at_top and symbol.is_assigned()}
