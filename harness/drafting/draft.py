"""The files of a draft: what is in them, and how they are written."""

from __future__ import annotations

import ast
import json
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.drafting.call import CallPlan
from harness.drafting.expressions import LEAST_SIZE, Plan
from harness.drafting.function import Function
from harness.drafting.record import Evidence
from harness.errors import UsageError
from harness.exported import parsed
from harness.text import bytes_text, counted, printable
from harness.timing.reference import digest

_MOST_REFERENCE_BYTES = 50_000_000
_MOST_CASES = 8
_MOST_CASE_CHARACTERS = 400_000
_FAST_SECONDS = 0.05


@dataclass
class Draft:
    """A draft under way.

    Attributes:
        source: the task's `source`.
        least: the smallest size that is checked at random; None to leave random workloads out.
        grows: whether there are workloads above the size that was seen.
        public: commands of public tests.
        notes: what else is to be confirmed.
    """

    name: str
    function: Function
    evidence: Evidence
    call: CallPlan
    inputs: Plan
    source: dict[str, str]
    build: list[str]
    public: list[str]
    least: int | None = 0
    grows: bool = True
    cases: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def workloads(self) -> list[dict[str, Any]]:
        """Names, sizes and whether they are held out."""
        size = self.inputs.size
        if size < LEAST_SIZE:
            return [
                {"name": "as-seen", "n": size, "held_out": False},
                {"name": "as-seen-too", "n": size, "held_out": True},
            ]
        slow = any(call.seconds > _FAST_SECONDS for call in self.evidence.calls)
        shown, held_out = [0.25, 1.0], [0.6]
        if self.inputs.by_number:
            shown, held_out = [0.75, 1.0], [0.875]
        elif self.grows and not slow:
            shown, held_out = [0.25, 1.0, 2.0], [0.6, 1.5]
        sizes = {max(2, round(size * factor)): factor in held_out for factor in sorted([*shown, *held_out])}
        return [{"name": f"n{n}", "n": n, "held_out": held} for n, held in sizes.items()]

    def to_confirm(self) -> list[str]:
        """Everything that was guessed, most of all first."""
        seen = f"{counted(len(self.evidence.calls), 'call')} of {self.evidence.how}"
        found = [*self.notes]
        found += self.inputs.notes
        if self.inputs.size < LEAST_SIZE:
            found.append("workloads: only inputs of a few elements were seen; show it real ones with --trace or --call")
        found.append(f"workloads: sizes around the largest of {seen}; are they those that matter?")
        found += self.call.notes
        found.append(
            "check: whatever the base gives back is taken for right, with the tolerances of harness.timing.difference"
        )
        what = (
            "is the function's docstring"
            if self.function.docstring
            else "says nothing yet: the function has no docstring"
        )
        found.append(f"description: {what}; an agent reads it: what it is for, what must stay as it is")
        found.append(
            f"target_files: only {self.function.file} may be changed, where tests.public alone guard other functions"
        )
        if not self.public:
            found.append("tests.public: no command of the repository's own tests was found that passes")
        if not self.cases:
            found.append("tests.hidden: none; no call that was seen is small enough to be kept whole")
        return found


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("harness.drafting", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Python and YAML; what goes in is literals, names and JSON
    )
    made.filters["literal"] = lambda value: json.dumps(value, ensure_ascii=False)
    return made


def write_draft(draft: Draft, folder: Path, checkout: Path) -> Path:
    """Write all files of a draft into `folder`; gives the task file.

    Raises:
        UsageError: the reference would be too large.
    """
    function, beside = draft.function, folder / draft.name
    beside.mkdir(parents=True, exist_ok=True)
    for old in ("reference", "hidden_tests"):
        shutil.rmtree(beside / old, ignore_errors=True)
    _copy_reference(checkout / function.import_root, function.module, beside / "reference")
    call = f"target.{function.name}({draft.call.arguments})"
    lazy = "generator" if function.is_generator else "coroutine" if function.is_async else ""
    call = {"generator": f"list({call})", "coroutine": f"asyncio.run({call})"}.get(lazy, call)
    values: dict[str, Any] = {
        "name": draft.name,
        "how": printable(draft.evidence.how).replace('"', "'").replace("\\", "/"),
        "sha256": digest(beside / "reference"),
        "size": draft.inputs.size,
        "workloads": draft.workloads(),
        "least": draft.least if draft.inputs.size >= LEAST_SIZE and not draft.inputs.by_number else None,
        "uses_n": _uses_n(draft),
        "expressions": draft.inputs.expressions,
        "torch": draft.inputs.torch,
        "imports": draft.call.imports,
        "import_root": function.import_root,
        "module": function.module,
        "function": function.name,
        "lazy": lazy,
        "call": call,
        "changed": draft.call.changed,
    }
    (beside / "bench.py").write_text(_render("bench.py.j2", values), encoding="utf-8")
    if draft.cases:
        (beside / "hidden_tests").mkdir()
        (beside / "hidden_tests" / "cases.json").write_text(json.dumps(draft.cases), encoding="utf-8")
        tests = beside / "hidden_tests" / f"test_{draft.name.replace('-', '_')}.py"
        tests.write_text(_render("test_cases.py.j2", values), encoding="utf-8")
    words = printable(draft.function.docstring or f"`{function.name}` of `{function.module}`.", multiline=True)
    task = {
        "name": draft.name,
        "title": f"{words.strip().splitlines()[0][:100]}",
        "description": "\n".join(line.rstrip() for line in words.replace("\t", "    ").splitlines()),
        "source": draft.source,
        "target_files": [function.file],
        "build": draft.build,
        "device": "auto" if _on_gpu(draft) else "cpu",
        "public": draft.public,
        "hidden": bool(draft.cases),
        "module": function.module,
        "function": function.name,
        "draft": [printable(each) for each in draft.to_confirm()],
    }
    file = folder / f"{draft.name}.yaml"
    file.write_text(_render("task.yaml.j2", task), encoding="utf-8")
    return file


def _render(name: str, values: dict[str, Any]) -> str:
    return _templates().get_template(name).render(values)


def _uses_n(draft: Draft) -> bool:
    trees = [ast.parse(each, mode="eval") for each in draft.inputs.expressions.values()]
    return any(isinstance(node, ast.Name) and node.id == "n" for tree in trees for node in ast.walk(tree))


def _on_gpu(draft: Draft) -> bool:
    return any(each.device == "cuda" for call in draft.evidence.calls for each in call.arguments.values())


def kept_cases(draft: Draft) -> list[dict[str, Any]]:
    """Calls whose arguments and outputs are known whole, the smaller first."""
    found: list[dict[str, Any]] = []
    room = _MOST_CASE_CHARACTERS
    for call in sorted([*draft.evidence.calls, *draft.evidence.beside], key=lambda each: each.elements()):
        inputs = {name: call.values.get(name) for name in draft.call.inputs}
        output = call.result_value
        if output is not None and draft.call.changed:
            after = [call.after.get(name, call.values.get(name)) for name in draft.call.changed]
            output = None if None in after else {"list": [output, *after]}
        case = {"inputs": inputs, "output": output}
        room -= len(json.dumps(case))
        if output is not None and None not in inputs.values() and case not in found and room > 0:
            found.append(case)
    return found[:_MOST_CASES]


def _copy_reference(root: Path, module: str, into: Path) -> None:
    """Copy what the module is part of, and what that imports of the repository."""
    waiting, taken = [module.partition(".")[0]], set()
    into.mkdir(parents=True)
    while waiting:
        top = waiting.pop()
        if top in taken:
            continue
        taken.add(top)
        package, single = root / top, root / f"{top}.py"
        if package.is_dir() and not single.is_file():
            shutil.copytree(package, into / top, ignore=shutil.ignore_patterns("__pycache__", ".git"))
            sources = list((into / top).rglob("*.py"))
        elif single.is_file():
            shutil.copy2(single, into)
            sources = [into / single.name]
        else:
            continue
        for source in sources:
            waiting += _imported(source)
    size = sum(path.stat().st_size for path in into.rglob("*") if path.is_file())
    if size > _MOST_REFERENCE_BYTES:
        raise UsageError(
            f"{module}: a copy of the package for the oracle would be {bytes_text(size)}.",
            remedy='Write the bench and its oracle by hand: README, "A task of your own".',
        )


def _imported(source: Path) -> set[str]:
    tree = parsed(source.read_text(encoding="utf-8", errors="replace"))
    found: set[str] = set()
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found
