"""Reading a module's source for what trips a rule. By syntax tree: text that only looks like code trips nothing."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from harness.policy import rules
from harness.policy.names import Function, Scopes, text_of
from harness.policy.parsing import TooDeep, other_encoding, with_parsed
from harness.policy.rules import Rule

_SHOWN_CHARACTERS = 80
_CONTAINERS = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
_CONTAINER_CALLS = ("dict", "list", "set", "deque", "defaultdict", "OrderedDict", "WeakKeyDictionary")
_CHANGES_CONTAINER = frozenset(
    {"append", "add", "update", "setdefault", "extend", "insert", "pop", "popitem", "clear", "appendleft"}
)
_CHANGES_MODULES = ("pop", "update", "setdefault", "clear", "popitem", "__setitem__", "__delitem__")
_SETS_ATTRIBUTE = tuple(f"builtins.{name}" for name in ("setattr", "delattr", "object.__setattr__", "type.__setattr__"))
_MEMORY = ("ctypes.memmove", "ctypes.memset", "ctypes.cast", "ctypes.string_at")


@dataclass(frozen=True)
class Trip:
    """A rule tripped at a line, by a piece of source."""

    rule: Rule
    line: int
    what: str


def trips(source: bytes) -> list[Trip]:
    """Everything in a module that trips a rule; nothing for source that does not parse (its tests will tell).

    Args:
        source: the file's bytes, for Python heeds a byte order mark and a line that declares another encoding.
    """
    encoding = other_encoding(source)
    found = [] if encoding is None else [Trip(rules.ENCODING, 1, encoding)]
    try:
        return found + with_parsed(source, _trips_of)
    except TooDeep:
        return [*found, Trip(rules.UNREADABLE, 1, "this file")]


def _trips_of(module: ast.Module) -> list[Trip]:
    reader = _Reader(module)
    reader.visit(module)
    return reader.found


class _Reader(ast.NodeVisitor):
    def __init__(self, module: ast.Module) -> None:
        self.found: list[Trip] = []
        self._scopes = Scopes(module)
        self._docstrings = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}

    def trip(self, rule: Rule, node: ast.AST, what: str | None = None) -> None:
        text = " ".join((what or ast.unparse(node)).split())
        if len(text) > _SHOWN_CHARACTERS:
            text = f"{text[:_SHOWN_CHARACTERS]}..."
        self.found.append(Trip(rule, getattr(node, "lineno", 1), text))

    # Names

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._use(alias.name, node, f"import {alias.name}")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names if node.level == 0 else []:
            self._use(f"{node.module}.{alias.name}", node, f"from {node.module} import {alias.name}")

    def visit_Name(self, node: ast.Name) -> None:
        # A name of the module's own was looked at where it was bound; builtins are bound nowhere.
        dotted = self._scopes.dotted(node)
        if dotted is not None and dotted.startswith("builtins."):
            self._use(dotted, node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):  # as in `for time.time in ...`
            self._changed(node, node)
            return
        dotted = self._scopes.dotted(node)
        rule = rules.matching_attribute(node.attr) or (rules.matching(dotted) if dotted else None)
        if rule is not None:
            self.trip(rule, node)
        else:
            self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if not isinstance(node.value, str) or id(node) in self._docstrings:
            return
        if node.value in rules.TELLTALES:
            self.trip(rules.KNOWS_THE_JUDGE, node)
        elif node.value.startswith(("/proc", "/sys", "/dev")):
            self._use("os.environ", node)

    def _use(self, dotted: str, node: ast.AST, what: str | None = None) -> None:
        rule = rules.matching(dotted)
        if rule is not None:
            self.trip(rule, node, what)

    # Changes of what belongs to others, or outlives the call

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._changed(target, node)
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._changed(node.target, node)
        self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        # The annotation is for readers.
        if node.value is not None:
            self._changed(node.target, node)
            self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._changed(target, node)

    def visit_Global(self, node: ast.Global) -> None:
        self.trip(rules.KEEPS_STATE, node)

    def _changed(self, target: ast.expr, node: ast.AST) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            for each in target.elts:
                self._changed(each, node)
        elif isinstance(target, ast.Starred):
            self._changed(target.value, node)
        elif isinstance(target, ast.Attribute):
            owner = self._scopes.dotted(target.value)
            self._changed_attribute(owner, target.attr, target.value, node)
            self._visit_owner(target.value)
        elif isinstance(target, ast.Subscript):
            self._changed_item(target, node)

    def _changed_attribute(self, owner: str | None, name: str | None, holder: ast.expr, node: ast.AST) -> None:
        if owner is not None and owner.partition(".")[0] in rules.SHARED:
            is_setting = bool(rules.SETTINGS & set(owner.split(".")))
            self.trip(rules.SETS_ENVIRONMENT if is_setting else rules.PATCHES_RUNTIME, node)
        elif name in ("__code__", "__class__", "__dict__"):
            self.trip(rules.DYNAMIC_ACCESS, node)
        elif isinstance(holder, ast.Name) and self._scopes.is_module_level(holder.id) and self._scopes.in_function:
            self.trip(rules.KEEPS_STATE, node)

    def _changed_item(self, target: ast.Subscript, node: ast.AST) -> None:
        owner = self._scopes.dotted(target.value)
        if owner == "sys.modules":
            self.trip(rules.REPLACES_MODULES, node)
        elif owner is not None and owner.endswith(".__dict__"):
            self._changed_attribute(owner.removesuffix(".__dict__"), None, target.value, node)
        elif owner == "os.environ":
            self.trip(rules.SETS_ENVIRONMENT, node)
        elif self._is_kept_container(target.value) and self._scopes.in_function:
            self.trip(rules.KEEPS_STATE, node)
        else:
            self.visit(target.value)
        self.visit(target.slice)

    def _visit_owner(self, owner: ast.expr) -> None:
        # `x.y = 1` reads x, which was looked at where it was bound; only what is computed is looked at here.
        if not isinstance(owner, ast.Name):
            self.visit(owner)

    def _is_kept_container(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.Name) or not self._scopes.is_module_level(node.id):
            return False
        bound = self._scopes.module_binding(node.id)
        if isinstance(bound, ast.Call):
            name = bound.func.attr if isinstance(bound.func, ast.Attribute) else getattr(bound.func, "id", "")
            return name in _CONTAINER_CALLS or isinstance(bound.func, ast.Attribute)
        return isinstance(bound, _CONTAINERS)

    # Calls

    def visit_Call(self, node: ast.Call) -> None:
        function = self._scopes.dotted(node.func) or ""
        first = node.args[0] if node.args else None
        if function in _SETS_ATTRIBUTE:
            if first is not None:
                name = text_of(node.args[1]) if len(node.args) > 1 else None
                self._changed_attribute(self._scopes.dotted(first), name, first, node)
        elif function.startswith("sys.modules.") and function.rpartition(".")[2] in _CHANGES_MODULES:
            self.trip(rules.REPLACES_MODULES, node)
        elif function.endswith((".__dict__.update", ".__dict__.__setitem__", ".__dict__.setdefault")):
            self._changed_attribute(function.rpartition(".__dict__")[0], None, node.func, node)
        elif function.startswith(_MEMORY) and self._mentions_id(node):
            self.trip(rules.WRITES_INTERPRETER, node)
        elif isinstance(node.func, ast.Attribute):
            self._method(node, node.func)
        self._dynamic(function, node)
        rule = rules.matching(self._scopes.dotted(node) or "")
        if rule is rules.KNOWS_THE_JUDGE:
            self.trip(rule, node)
            return
        self.generic_visit(node)

    def _method(self, node: ast.Call, method: ast.Attribute) -> None:
        if method.attr == "from_address" and self._mentions_id(node):
            self.trip(rules.WRITES_INTERPRETER, node)
        elif method.attr in _CHANGES_CONTAINER and self._is_kept_container(method.value) and self._scopes.in_function:
            self.trip(rules.KEEPS_STATE, node)

    def _dynamic(self, function: str, node: ast.Call) -> None:
        # getattr of something computed, on a module: what is used cannot be read here.
        if function in ("builtins.getattr", "builtins.setattr") and len(node.args) > 1:
            owner = self._scopes.dotted(node.args[0])
            if owner is not None and text_of(node.args[1]) is None:
                self.trip(rules.DYNAMIC_ACCESS, node)
        elif function in ("builtins.vars", "builtins.globals", "builtins.locals", "operator.attrgetter"):
            self.trip(rules.DYNAMIC_ACCESS, node)

    def _mentions_id(self, node: ast.AST) -> bool:
        return any(isinstance(each, ast.Name) and self._scopes.dotted(each) == "builtins.id" for each in ast.walk(node))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._changed(node, node)
            return
        dotted = self._scopes.dotted(node)
        if dotted is not None and (rule := rules.matching(dotted)) is not None:
            self.trip(rule, node)
            return
        self.generic_visit(node)

    # Scopes and classes

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node)

    def _function(self, node: Function) -> None:
        if not isinstance(node, ast.Lambda):
            rule = rules.matching_attribute(node.name)
            if rule is not None:
                self.trip(rule, node, f"def {node.name}")
            for decorator in node.decorator_list:
                self.visit(decorator)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if isinstance(default, _CONTAINERS):
                self.trip(rules.KEEPS_STATE, default, f"a default of {ast.unparse(default)}")
            elif default is not None:
                self.visit(default)
        self._scopes.enter(node)
        for each in node.body if isinstance(node.body, list) else [node.body]:
            self.visit(each)
        self._scopes.leave()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            if (self._scopes.dotted(base) or "").startswith(("torch.Tensor", "torch.nn.Parameter")):
                self.trip(rules.TENSOR_SUBCLASS, node, f"class {node.name}({ast.unparse(base)})")
        self.generic_visit(node)
