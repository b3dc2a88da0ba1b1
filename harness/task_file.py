"""Reads a task file. Every mistake in it is a `TaskError` that names file, line and the nearest valid key."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import ValidationError

from harness.errors import TaskError
from harness.references import load_references
from harness.sandbox.withheld import keep_out
from harness.strategy import STRATEGIES
from harness.task import LoadedTask, Task
from harness.text import printable

BUNDLED = Path(__file__).resolve().parent.parent / "tasks"


def find_task_file(name: str) -> Path:
    """The file a user means by `tasks/moe_align.yaml`, `moe_align.yaml` or `moe_align`.

    A path that exists wins; then the bundled tasks, so that an installed harness runs from an empty folder.

    Raises:
        TaskError: there is no such file; names the bundled tasks, and the nearest of them and of what lies here.
    """
    given = Path(name)
    if given.is_file():
        return given.resolve()
    if given.is_dir():
        raise TaskError(f"{name} is a folder, not a task file.", remedy=_bundled_hint(given.name))
    parts = given.parts
    if not given.is_absolute() and (len(parts) == 1 or (len(parts) == 2 and parts[0] == "tasks")):
        candidate = BUNDLED / f"{given.stem}.yaml"
        if candidate.is_file() and given.suffix in ("", ".yaml", ".yml"):
            return candidate
    raise TaskError(f"There is no task file {name}.", remedy=_bundled_hint(given.stem))


def _bundled_hint(wanted: str) -> str:
    names = sorted(path.stem for path in BUNDLED.glob("*.yaml"))
    files = {name: f"tasks/{name}.yaml" for name in names}
    # What the user has here comes first; `harness init` puts a draft into `tasks`.
    files |= {path.stem: str(path) for folder in ("tasks", ".") for path in sorted(Path(folder).glob("*.y*ml"))}
    near = difflib.get_close_matches(wanted, files, n=1)
    guess = f" Did you mean {printable(files[near[0]])}?" if near else ""
    return f"Give the path of a .yaml file. Bundled tasks: {', '.join(names) or 'none'}.{guess}"


_YAML = "Text with a colon in it, or with a special character first, goes in quotes; indent with blanks, not with tabs."


def load_task(name: str) -> LoadedTask:
    """Read and check a task file.

    Raises:
        TaskError: the file is missing, is not YAML, has an unknown, duplicate, missing or ill-typed key, or
            names a file that is not there.
    """
    file = find_task_file(name)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{file}: cannot be read as text ({error}).") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        place = f"{file}:{mark.line + 1}" if mark else str(file)
        said = str(error).replace('in "<unicode string>", ', "")
        raise TaskError(f"{place}: not valid YAML.\n{said}", remedy=_YAML) from error
    if not isinstance(root, yaml.MappingNode):
        raise TaskError(f"{file}: a task file is a mapping of keys (name, source, bench, ...), this one is not.")
    _refuse_duplicates(file, root)
    content: Any = yaml.safe_load(text)
    try:
        task = Task.model_validate(content)
    except ValidationError as error:
        raise TaskError(_explain(file, root, error)) from error
    loaded = LoadedTask(task=task, file=file)
    _require_files(loaded, root)
    keep_out(loaded.kept_from_agents)
    if loaded.references is not None:
        load_references(loaded.references)  # a mistake in it is found before anything is timed
    return loaded


def _refuse_duplicates(file: Path, node: yaml.Node) -> None:
    """YAML lets the last of two equal keys win silently; here it is an error."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise TaskError(
                    f"{file}:{line}: the key {key.value!r} stands twice (first on line {seen[key.value]}).",
                    remedy="Keep one of them; YAML would silently take the last.",
                )
            seen[key.value] = line
            _refuse_duplicates(file, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(file, item)


def _explain(file: Path, root: yaml.MappingNode, error: ValidationError) -> str:
    """One line for each mistake: file, line, what is wrong, and the nearest valid key or the right type."""
    lines = []
    for problem in error.errors():
        where = problem["loc"]
        # The checker puts the strategy's name between it and its keys, where the file has nothing.
        where = where[:1] + where[2:] if where[:1] == ("strategy",) else where
        dotted = ".".join(str(part) for part in where) or "task"
        if problem["type"] == "extra_forbidden":
            valid = _valid_keys(problem["loc"][:-1])
            near = difflib.get_close_matches(str(where[-1]), valid, n=1, cutoff=0.5)
            guess = f"did you mean {near[0]!r}?" if near else f"valid keys here: {', '.join(valid)}."
            what = f"unknown key {dotted!r}; {guess}"
        elif problem["type"] == "missing":
            what = f"the key {dotted!r} is missing."
        else:
            what = f"{dotted}: {problem['msg'].removeprefix('Value error, ')}"
            if not isinstance(problem["input"], (dict, list)):
                what += f" (found {problem['input']!r})"
            if problem["type"] == "string_type" and isinstance(problem["input"], (bool, int, float)):
                what += "; put it in quotes"
        lines.append(f"{file}:{_line_of(root, where)}: {what}")
    return "\n".join(lines)


def _valid_keys(where: tuple[int | str, ...]) -> list[str]:
    model: Any = Task
    if where and where[0] == "strategy":
        model, where = STRATEGIES[str(where[1])], where[2:]
    for part in where:
        if not isinstance(part, str):
            continue
        model = get_args(model)[-1] if get_origin(model) is dict else model.model_fields[part].annotation
    return list(model.model_fields)


def _line_of(root: yaml.Node, where: tuple[int | str, ...]) -> int:
    """The 1-based line of a location; of its nearest parent where the key itself is missing."""
    node = root
    line = node.start_mark.line + 1
    for part in where:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _require_files(loaded: LoadedTask, root: yaml.MappingNode) -> None:
    """Everything the task names on the trusted side must be there before anything starts."""
    task = loaded.task
    named: list[tuple[tuple[str, ...], str | None, bool]] = [
        (("bench",), task.bench, False),
        (("tests", "hidden"), task.tests.hidden, True),
        (("reference_patch",), task.reference_patch, False),
        (("references",), task.references, False),
        (("recorded",), task.recorded, False),
        (("source", "path"), task.source.path, True),
        (("source", "overlay"), task.source.overlay, True),
    ]
    for where, value, is_folder in named:
        if value is None:
            continue
        path = loaded.resolve(value)
        if not (path.is_dir() if is_folder else path.is_file()):
            kind = "folder" if is_folder else "file"
            raise TaskError(
                f"{loaded.file}:{_line_of(root, where)}: {'.'.join(where)}: there is no {kind} {value}.",
                remedy=f"Looked for {path}; paths start at the task file's folder.",
            )
