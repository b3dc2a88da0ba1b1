"""What a name in a module's source stands for, worked out from the source alone.

`import time as t; now = t.perf_counter` makes `now` stand for `time.perf_counter`; so do `getattr(time,
"perf_counter")`, `vars(time)["perf_counter"]` and `sys.modules["time"].perf_counter`. Names that are put together
while the program runs are beyond any reader of source: for those there is a rule of its own, and the referee.
"""

from __future__ import annotations

import ast
import builtins

# What a scope binds a name to: a dotted name, an expression still to be read, or None for anything else.
Binding = str | ast.expr | None
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_MOST_STEPS = 20
GLOBALS = "@globals"


class Scopes:
    """The scopes around the place that is being read, innermost last."""

    def __init__(self, module: ast.Module) -> None:
        self._stack = [bindings_of(module.body)]
        self._steps = 0

    @property
    def in_function(self) -> bool:
        """Whether the place is inside a function."""
        return len(self._stack) > 1

    def enter(self, function: Function) -> None:
        """Go into a function: its parameters and what it assigns hide the names outside."""
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        bindings: dict[str, Binding] = {each.arg: None for each in every if each is not None}
        if not isinstance(function, ast.Lambda):
            declared = {name for node in _own_nodes(function.body) for name in _declared_outside(node)}
            bindings = dict.fromkeys(bindings) | {
                name: bound for name, bound in bindings_of(function.body).items() if name not in declared
            }
        self._stack.append(bindings)

    def leave(self) -> None:
        """Come out again."""
        self._stack.pop()

    def is_module_level(self, name: str) -> bool:
        """Whether a name, read here, is one of the module's own."""
        return name in self._stack[0] and not any(name in scope for scope in self._stack[1:])

    def module_binding(self, name: str) -> Binding:
        """What the module's top level binds a name to."""
        return self._stack[0].get(name)

    def dotted(self, node: ast.expr) -> str | None:
        """The dotted name that an expression stands for; None where the source does not say."""
        self._steps += 1
        try:
            return self._dotted(node) if self._steps < _MOST_STEPS else None
        finally:
            self._steps -= 1

    def _dotted(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._named(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return f"{owner}.{node.attr}" if owner else None
        if isinstance(node, ast.NamedExpr):
            return self.dotted(node.value)
        if isinstance(node, ast.Subscript):
            return self._item(self.dotted(node.value), text_of(node.slice))
        if isinstance(node, ast.Call):
            return self._called(node)
        return None

    def _named(self, name: str) -> str | None:
        for scope in reversed(self._stack):
            if name in scope:
                bound = scope[name]
                return self.dotted(bound) if isinstance(bound, ast.expr) else bound
        return f"builtins.{name}" if hasattr(builtins, name) else None

    def _item(self, owner: str | None, key: str | None) -> str | None:
        if owner is None or key is None:
            return None
        if owner == "sys.modules":
            return key
        if owner == GLOBALS:
            return self._named(key)
        return f"{owner.removesuffix('.__dict__')}.{key}" if owner.endswith(".__dict__") else None

    def _called(self, call: ast.Call) -> str | None:
        function = self.dotted(call.func)
        if function == "builtins.globals":
            return GLOBALS
        if function is None or not call.args:
            return None
        first, second = call.args[0], call.args[1] if len(call.args) > 1 else None
        found: tuple[str | None, ...] = (None,)
        if function in ("builtins.__import__", "importlib.import_module"):
            found = (text_of(first),)
        elif function == "builtins.vars":
            found = (self.dotted(first), "__dict__")
        elif function == "builtins.getattr" and second is not None:
            found = (self.dotted(first), text_of(second))
        elif function.endswith((".__dict__.get", ".__dict__.pop")) or function in (
            "sys.modules.get",
            "sys.modules.pop",
        ):
            found = (self._item(function.rpartition(".")[0], text_of(first)),)
        return ".".join(part for part in found if part) if all(found) else None


def bindings_of(body: list[ast.stmt]) -> dict[str, Binding]:
    """The names that a scope's own statements bind, those of functions and classes inside it left out."""
    found: dict[str, Binding] = {}
    for node in _own_nodes(body):
        for name, bound in _bindings(node):
            # Where a name is bound twice, the binding that says something counts.
            if found.get(name) is None:
                found[name] = bound
    return found


def _own_nodes(body: list[ast.stmt]) -> list[ast.AST]:
    """All nodes of a scope, without what is inside its functions; a class's body counts as its surroundings."""
    nodes: list[ast.AST] = []
    ahead: list[ast.AST] = list(body)
    while ahead:
        node = ahead.pop(0)
        nodes.append(node)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            ahead += ast.iter_child_nodes(node)
    return nodes


def _bindings(node: ast.AST) -> list[tuple[str, Binding]]:
    found: list[tuple[str, Binding]] = []
    if isinstance(node, ast.Import):
        found = [(each.asname or each.name.partition(".")[0], _imported(each)) for each in node.names]
    elif isinstance(node, ast.ImportFrom):
        prefix = "." * node.level + (node.module or "")
        found = [(each.asname or each.name, f"{prefix}.{each.name}") for each in node.names]
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        found = [(node.name, None)]
    elif isinstance(node, ast.Assign):
        found = [each for target in node.targets for each in _assigned(target, node.value)]
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and isinstance(node.target, ast.Name):
        found = [(node.target.id, node.value)]
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        found = [(node.id, None)]
    return found


def _imported(alias: ast.alias) -> str:
    return alias.name if alias.asname else alias.name.partition(".")[0]


def _assigned(target: ast.expr, value: ast.expr) -> list[tuple[str, Binding]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = zip(target.elts, value.elts, strict=True)
        return [each for one, other in pairs for each in _assigned(one, other)]
    return []


def _declared_outside(node: ast.AST) -> list[str]:
    return node.names if isinstance(node, (ast.Global, ast.Nonlocal)) else []


def text_of(node: ast.expr) -> str | None:
    """The string an expression of constants makes; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        return left + right if left is not None and right is not None else None
    if isinstance(node, ast.JoinedStr):
        parts = [text_of(part) for part in node.values]
        return "".join(part or "" for part in parts) if None not in parts else None
    return None
