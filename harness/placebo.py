"""Patches that change bytes and nothing else: what share of them comes out `faster` is the rate of false wins.

A placebo goes through the whole pipeline under an attempt's ordinary name, between real attempts. Nothing that
judges knows which is which; only the verdict's `agent` says so afterwards.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import CodeType

from agent.budget import Limits
from agent.loop import AgentOutcome
from agent.trajectory import Trajectory
from agent.workbench import Workbench
from harness.errors import UsageError
from harness.git import Repository
from harness.patch import matches
from harness.verdict import PLACEBO

OnStep = Callable[[int, str, str], None]
Edit = Callable[[str, random.Random], str | None]

_SLASHES = (".c", ".cc", ".cpp", ".cxx", ".cu", ".h", ".hh", ".hpp", ".cuh", ".rs", ".go", ".js", ".ts", ".java")
_HASHES = (".sh", ".pyx", ".pxd", ".jl", ".rb")
_READS_LOCALS = {"locals", "vars", "eval", "exec", "dir"}


@dataclass
class PlaceboAgent:
    """Edits a target file without changing what it does.

    Attributes:
        target_files: the task's globs.
        seed: which edit; equal seeds make equal patches.
    """

    target_files: list[str]
    seed: str
    name: str = PLACEBO
    model: str | None = None
    note: str | None = None
    version: str | None = None
    own_tools: bool = False

    def work(
        self, workbench: Workbench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Leave one file with other bytes and the same meaning."""
        rng = random.Random(self.seed)
        root = workbench.root
        every = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file()]
        chosen = root / rng.choice(editable(every, self.target_files))
        text = chosen.read_bytes().decode("utf-8")
        chosen.write_bytes(placebo(chosen.name, text, rng).encode("utf-8"))
        with Trajectory(trajectory) as record:
            record.prompt(prompt)
        return AgentOutcome(ended="submitted", detail="")


def require_editable(base: Repository, target_files: list[str]) -> None:
    """Some target file is of a kind that a placebo can be made of.

    Raises:
        UsageError: none is.
    """
    names = base.git("ls-tree", "-r", "-z", "--name-only", base.commit).decode(errors="replace").split("\0")
    if not editable(names, target_files):
        raise UsageError(
            f"No placebo can be made of {', '.join(target_files)}: no file of a known language is among them.",
            remedy="Run without --placebos.",
        )


def editable(names: list[str], target_files: list[str]) -> list[str]:
    """The files among `names` that are targets and of a kind we can edit without changing what they do."""
    return [name for name in names if name.endswith((".py", *_SLASHES, *_HASHES)) and matches(name, target_files)]


def placebo(name: str, text: str, rng: random.Random) -> str:
    """The text of a source file with other bytes and the same meaning.

    Python is given a new comment and one of: blank lines, imports in another order, a local variable of another
    name; and is compiled to see that it means the same. Other languages are given a comment.
    """
    if not name.endswith(".py"):
        return _comment_line(text, "//" if name.endswith(_SLASHES) else "#", rng)
    other: Edit = rng.choice([blank_lines, rename_local, swap_imports])
    # The comment makes equal patches unlikely, of which there are few otherwise.
    for edits in ((other, comment), (comment,)):
        edited: str | None = text
        for edit in edits:
            edited = None if edited is None else edit(edited, rng)
        if edited is not None and edited != text and same_meaning(text, edited):
            return edited
    return text + f"\n# {_words(rng)}\n"


def same_meaning(before: str, after: str) -> bool:
    """Whether two Python sources compile to the same code, but for positions, local names and import order."""
    try:
        return _code(compile(before, "x", "exec")) == _code(compile(after, "x", "exec"))
    except SyntaxError:
        return False


def _code(code: CodeType) -> tuple[object, ...]:
    constants = [_code(each) if isinstance(each, CodeType) else (type(each), repr(each)) for each in code.co_consts]
    if code.co_name == "<module>":
        # Two imports that change places change where their names are first used, and nothing else.
        return (sorted(code.co_names), sorted(map(repr, constants)), len(code.co_code))
    return (code.co_name, code.co_names, code.co_argcount, code.co_freevars, code.co_cellvars, constants, code.co_code)


def comment(text: str, rng: random.Random) -> str | None:
    """A comment before one of the statements."""
    lines = text.splitlines(keepends=True)
    line, indent = rng.choice(_statement_starts(text))
    lines.insert(line - 1, f"{' ' * indent}# {_words(rng)}\n")
    return "".join(lines)


def blank_lines(text: str, rng: random.Random) -> str | None:
    """One or two blank lines before one of the statements."""
    lines = text.splitlines(keepends=True)
    line, _ = rng.choice(_statement_starts(text))
    lines.insert(line - 1, "\n" * rng.randint(1, 2))
    return "".join(lines)


def swap_imports(text: str, rng: random.Random) -> str | None:
    """Two plain imports that follow one another change places; None where there are none."""
    body = ast.parse(text).body
    pairs = [(one, other) for one, other in pairwise(body) if _plain(one) and _plain(other)]
    pairs = [(one, other) for one, other in pairs if one.end_lineno and one.end_lineno < other.lineno]
    if not pairs:
        return None
    one, other = rng.choice(pairs)
    lines = text.splitlines(keepends=True)
    first, second = slice(one.lineno - 1, one.end_lineno), slice(other.lineno - 1, other.end_lineno)
    between = lines[first.stop : second.start]
    return "".join([*lines[: first.start], *lines[second], *between, *lines[first], *lines[second.stop :]])


def _plain(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module != "__future__" and not any(name.name == "*" for name in node.names)
    return isinstance(node, ast.Import)


def rename_local(text: str, rng: random.Random) -> str | None:
    """A local variable of a function gets another name; None where no function has one that can."""
    choices = []
    module = ast.parse(text)
    # CPython compiles a method's call on a name that the module imports in another way, a local of that name included.
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for function in ast.walk(module):
        # A decorator may read the source (a JIT does): its function stays as it is.
        if isinstance(function, ast.FunctionDef) and not function.decorator_list:
            choices += [(function, name) for name in _renamable(function) if name not in imported]
    if not choices:
        return None
    function, name = rng.choice(choices)
    new = f"{name}_{rng.getrandbits(12):03x}"
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    places = {(n.lineno, n.col_offset) for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name}
    for line, column in sorted(places, reverse=True):
        old = lines[line - 1]
        if old[column : column + len(name)] != name.encode():
            return None
        lines[line - 1] = old[:column] + new.encode() + old[column + len(name) :]
    return b"".join(lines).decode()


def _renamable(function: ast.FunctionDef) -> list[str]:
    """Plain local variables: assigned in the function, seen by no inner scope, f-string or declaration."""
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.JoinedStr, ast.GeneratorExp)
    barred = (*inner, ast.ListComp, ast.SetComp, ast.DictComp, ast.Global, ast.Nonlocal, ast.Match)
    stored, shared = set(), set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stored.add(node.id)
        if isinstance(node, ast.Name) and node.id in _READS_LOCALS:
            return []
        if node is not function and isinstance(node, barred):
            shared |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            shared |= set(getattr(node, "names", []))
        if isinstance(node, ast.alias | ast.ExceptHandler | ast.arg):
            shared.add(str(getattr(node, "arg", None) or getattr(node, "asname", None) or node.__dict__.get("name")))
    return sorted(stored - shared)


def _statement_starts(text: str) -> list[tuple[int, int]]:
    """Line and column of every statement that starts its line and whose line no string or bracket runs into."""
    starts = []
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.stmt) or getattr(node, "decorator_list", None):
            continue
        before = lines[node.lineno - 1].encode()[: node.col_offset]
        if not before.strip() and not (node.lineno > 1 and lines[node.lineno - 2].endswith("\\")):
            starts.append((node.lineno, node.col_offset))
    # Not before a docstring or `from __future__`, whose place matters: the first statement keeps it.
    later = [start for start in starts if start[0] > min(starts)[0]] if starts else []
    return later or [(len(lines) + 1, 0)]


def _comment_line(text: str, mark: str, rng: random.Random) -> str:
    """A comment in the place of a blank line, or at the end: inside a literal of many lines there may be no other."""
    lines = text.splitlines(keepends=True)
    raw = 'R"' in text or '"""' in text or "`" in text
    blank = [number for number, line in enumerate(lines) if not line.strip()]
    blank = [number for number in blank if number and not lines[number - 1].rstrip().endswith("\\")]
    end = "" if not text or text.endswith("\n") else "\n"
    if raw or not blank:
        return f"{text}{end}{mark} {_words(rng)}\n"
    lines.insert(rng.choice(blank), f"{mark} {_words(rng)}\n")
    return "".join(lines)


def _words(rng: random.Random) -> str:
    return f"{rng.choice(['Note', 'See also', 'Remark', 'Cf.'])} {rng.getrandbits(32):08x}."
