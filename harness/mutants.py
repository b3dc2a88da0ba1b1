"""Small faults put into target files, to see whether tests and oracle notice: tests that cannot fail judge nothing.

Written here rather than taken from a mutation tool: mutmut runs its own test runner over a project of its own
layout, and cosmic-ray, which can be called for its mutations alone, brings SQLAlchemy, aiohttp and a dozen more
packages for what is a page of `ast`. The operators are the usual ones (Offutt et al., "An experimental
determination of sufficient mutant operators", TOSEM 5(2), 1996): relations, arithmetic, logic and constants; and
conditions negated, statements dropped, slices off by one. A mutant is the file with one place rewritten: all other
bytes stay, so that its diff shows the fault and nothing else.
"""

from __future__ import annotations

import ast
import difflib
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from harness.exported import parsed, reachable

C_SUFFIXES = (".c", ".cc", ".cpp", ".cxx", ".cu")

_RELATIONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_RELATIONS |= {"is": "is not", "is not": "is", "in": "not in", "not in": "in"}
_ARITHMETIC = {"+": "-", "-": "+", "*": "//", "//": "*", "/": "*", "%": "*", "<<": ">>", ">>": "<<", "&": "|", "|": "&"}
_LOGIC = {"and": "or", "or": "and"}
_C_RULES = (
    ("relation", re.compile(r" (<=|>=|==|!=|<|>) "), _RELATIONS),
    ("arithmetic", re.compile(r" ([+\-*%]|\+=|-=) "), {"+": "-", "-": "+", "*": "+", "%": "+", "+=": "-=", "-=": "+="}),
    ("logic", re.compile(r" (&&|\|\|) "), {"&&": "||", "||": "&&"}),
    ("constant", re.compile(r"(?<![\w.])([01])(?![\w.])"), {"0": "1", "1": "2"}),
)


@dataclass(frozen=True)
class Mutant:
    """A target file with one fault.

    Attributes:
        file: path in the target.
        line: where the fault is, from 1.
        kind: what was done: relation, arithmetic, logic, constant, negation, dropped, slice.
        text: the whole file.
        diff: the fault, as a unified diff without context.
    """

    file: str
    line: int
    kind: str
    text: str
    diff: str


@dataclass(frozen=True)
class _Splice:
    """Replace the bytes from `start` to `end`, both (line, column in bytes)."""

    kind: str
    start: tuple[int, int]
    end: tuple[int, int]
    new: str


def sample_mutants(files: dict[str, str], exported: set[str], count: int, seed: int) -> list[Mutant]:
    """A random sample, the kinds of fault taking turns, without two on one line.

    Args:
        files: path -> text of the target files; what is neither Python nor C is passed over.
        exported: the names the package exports: faults go where they lead to.
        count: how many at most.
        seed: equal seeds give equal samples.
    """
    rng = random.Random(seed)
    by_kind: dict[str, list[Mutant]] = defaultdict(list)
    for file, text in sorted(files.items()):
        for mutant in mutants_of(file, text, exported):
            by_kind[mutant.kind].append(mutant)
    for each in by_kind.values():
        rng.shuffle(each)
    chosen: list[Mutant] = []
    taken: set[tuple[str, int]] = set()
    while len(chosen) < count and any(by_kind.values()):
        for kind in sorted(by_kind):
            while by_kind[kind]:
                mutant = by_kind[kind].pop()
                if (mutant.file, mutant.line) not in taken:
                    taken.add((mutant.file, mutant.line))
                    chosen.append(mutant)
                    break
    return chosen[:count]


def mutants_of(file: str, text: str, exported: set[str]) -> Iterator[Mutant]:
    """Every mutant of one file."""
    if file.endswith(".py"):
        tree = parsed(text)
        splices = [] if tree is None else [s for node in reachable(tree, exported) for s in _python(node, text)]
    elif file.endswith(C_SUFFIXES):
        splices = list(_c(text))
    else:
        return
    for splice in splices:
        mutated = _spliced(text, splice)
        if mutated == text or (file.endswith(".py") and parsed(mutated) is None):
            continue
        diff = difflib.unified_diff(text.splitlines(), mutated.splitlines(), f"a/{file}", f"b/{file}", n=0, lineterm="")
        yield Mutant(file=file, line=splice.start[0], kind=splice.kind, text=mutated, diff="\n".join(diff))


def _spliced(text: str, splice: _Splice) -> str:
    lines = [line.encode() for line in _lines(text)]
    (first, start), (last, end) = splice.start, splice.end
    whole = lines[first - 1][:start] + splice.new.encode() + lines[last - 1][end:]
    return b"".join([*lines[: first - 1], whole, *lines[last:]]).decode()


def _lines(text: str) -> list[str]:
    """Lines as the compiler counts them, ends kept: `splitlines` would break at form feeds too."""
    return re.findall(r"[^\n]*\n|[^\n]+$", text)


def _python(root: ast.AST, text: str) -> Iterator[_Splice]:
    """Every fault below a node, annotations, docstrings, decorators and f-strings left out."""
    for node in ast.iter_child_nodes(root):
        if isinstance(node, ast.JoinedStr | ast.arg):
            continue  # In an f-string positions are not the file's before Python 3.12.
        if node in getattr(root, "decorator_list", []) or node is getattr(root, "returns", None):
            continue
        if isinstance(root, ast.AnnAssign) and node is root.annotation:
            continue
        yield from _faults(node, text)
        yield from _python(node, text)


def _faults(node: ast.AST, text: str) -> Iterator[_Splice]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _between("relation", node.left, node.comparators[0], _RELATIONS, text)
    elif isinstance(node, ast.BinOp):
        yield from _between("arithmetic", node.left, node.right, _ARITHMETIC, text)
    elif isinstance(node, ast.BoolOp):
        yield from _between("logic", node.values[0], node.values[1], _LOGIC, text)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield _replaced("constant", node, str(node.value + 1))
        yield _replaced("constant", node, f"({node.value - 1})" if node.value < 1 else str(node.value - 1))
    elif isinstance(node, ast.If | ast.IfExp):
        yield _replaced("negation", node.test, f"(not ({_source(node.test, text)}))")
    elif isinstance(node, ast.Slice):
        for bound in (node.lower, node.upper):
            if bound is not None:
                yield _replaced("slice", bound, f"({_source(bound, text)}) + 1")
    elif isinstance(node, ast.stmt) and _droppable(node):
        yield _replaced("dropped", node, "pass")


def _droppable(node: ast.stmt) -> bool:
    """Statements without which the rest still runs: a plain name that is never assigned would fail at once."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Subscript | ast.Attribute) for target in node.targets)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    return isinstance(node, ast.AugAssign | ast.Raise | ast.Break | ast.Continue)


def _between(kind: str, left: ast.expr, right: ast.expr, rules: dict[str, str], text: str) -> Iterator[_Splice]:
    """Swap the operator in the gap between two operands; the gap holds nothing else but brackets and blanks."""
    if left.end_lineno != right.lineno or left.end_col_offset is None:
        return
    gap = _lines(text)[right.lineno - 1].encode()[left.end_col_offset : right.col_offset].decode()
    operator = gap.strip(" ()\t")
    if operator in rules:
        start, end = (right.lineno, left.end_col_offset), (right.lineno, right.col_offset)
        yield _Splice(kind, start, end, gap.replace(operator, rules[operator]))


def _replaced(kind: str, node: ast.expr | ast.stmt, new: str) -> _Splice:
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return _Splice(kind, (node.lineno, node.col_offset), end, new)


def _source(node: ast.expr, text: str) -> str:
    return ast.get_source_segment(text, node) or ast.unparse(node)


def _c(text: str) -> Iterator[_Splice]:
    """Faults in C and C++, line by line: what does not compile afterwards is no mutant, and is left out there."""
    for number, line in enumerate(text.splitlines(), start=1):
        code = line.split("//")[0]
        if code.lstrip().startswith(("#", "*", "/*", "template", "using")) or '"' in code:
            continue
        for kind, pattern, rules in _C_RULES:
            for match in pattern.finditer(code):
                start, end = (len(code[: match.start(1)].encode()), len(code[: match.end(1)].encode()))
                yield _Splice(kind, (number, start), (number, end), rules[match.group(1)])
