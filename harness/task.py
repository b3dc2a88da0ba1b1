"""The task file: what a target repository is, what may change, and how it is judged.

`Task` is the file's content, checked. `load_task` reads one and resolves the paths in it; every mistake in
the file is a `TaskError` that names file, line and the nearest valid key.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import TaskError
from harness.metric import CommandKeys
from harness.references import load_references
from harness.strategy import STRATEGIES, AnyStrategy
from harness.strategy.best_of_n import BestOfN

DeviceChoice = Literal["auto", "cpu", "cuda"]
Mode = Literal["latency", "throughput", "device", "command"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Source(_Section):
    """Where the target's code comes from: exactly one of `path`, `git` (with `commit`) or `pypi`; and what is added."""

    path: str | None = Field(None, description="A folder, relative to the task file.")
    git: str | None = Field(None, description="A git URL or a path to a repository.")
    commit: str | None = Field(None, description="The commit to start from; goes with `git`.")
    pypi: str | None = Field(None, description="A requirement pinned with ==; its sdist is the source.")
    overlay: str | None = Field(
        None,
        description="A folder of the task's own files, laid beside the source's ahead of sealing, such as tests that "
        "run without what the source's own need. It adds files and replaces none.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        named = [key for key in ("path", "git", "pypi") if getattr(self, key) is not None]
        if len(named) != 1:
            raise ValueError(f"name exactly one of path, git or pypi (found: {', '.join(named) or 'none'})")
        if self.git is not None and self.commit is None:
            raise ValueError("git needs a commit: a branch moves, and a moving base cannot be compared with")
        return self


class Metric(CommandKeys):
    """What is timed. `latency` is one call and its result, seen from the host."""

    device: DeviceChoice = Field("auto", description="auto takes CUDA where there is a GPU.")
    mode: Mode = Field("latency", description="What one sample is.")
    cache: Literal["warm", "cold"] = Field(
        "warm", description="On a GPU in mode latency, cold empties the L2 cache ahead of every call."
    )
    objective: Literal["time"] = Field("time", description="What is made smaller.")
    workloads: list[str] = Field(default_factory=list, description="Which of the bench's count; all of them if empty.")


class Tests(_Section):
    """The tests a patch must pass. Every test that passes on the base must pass on the patch."""

    public: list[str] = Field(default_factory=list, description="Commands run in the checkout; the agent sees them.")
    hidden: str | None = Field(None, description="A pytest folder on the trusted side; the agent never sees it.")


class Limits(_Section):
    """The agent's budget for one attempt; whichever is reached first ends it."""

    steps: int = Field(60, gt=0, description="Calls of the model.")
    seconds: float = Field(3600, gt=0, strict=False, description="Wall-clock seconds.")
    usd: float | None = Field(5.0, gt=0, strict=False, description="Dollars for the model; null for no limit.")
    tokens: int = Field(2_000_000, gt=0, description="Tokens, input and output together.")


class ModelPrice(_Section):
    """What a model costs, in dollars for a million tokens."""

    input: float = Field(ge=0, strict=False, description="Input that is not from the provider's cache.")
    cached: float | None = Field(
        None, ge=0, strict=False, description="Input from its cache; as other input if absent."
    )
    output: float = Field(ge=0, strict=False, description="Output, reasoning included.")


class Task(_Section):
    """A task file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Short name; runs and boards carry it.")
    title: str = Field(description="One line for people.")
    description: str = Field(description="Shown to the agent: what the code does and where it is used.")
    source: Source
    target_files: list[str] = Field(min_length=1, description="The only files a patch may touch; globs allowed.")
    build: list[str] = Field(default_factory=list, description="Commands run in the checkout before tests.")
    bench: str | None = Field(
        None,
        description="The bench module, relative to the task file; never inside a worktree. Every metric.mode but "
        "command needs one.",
    )
    metric: Metric = Field(default_factory=Metric)
    min_effect: float = Field(0.02, gt=0, lt=1, strict=False, description="Smallest speedup worth a claim.")
    tests: Tests = Field(default_factory=Tests)
    api: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][\w.]*$",
        description="The package that is imported and timed, and whose public API must stay. Every metric.mode but "
        "command needs it.",
    )
    reference_patch: str | None = Field(None, description="An expert's patch; never shown to an agent.")
    references: str | None = Field(
        None,
        description="A JSON file of figures that were taken elsewhere, shown beside boards and in reports; in no "
        "ranking and no verdict. Never shown to an agent.",
    )
    recorded: str | None = Field(None, description="A recorded session that `--agent replay` plays.")
    constraints: list[str] = Field(default_factory=list, description="Sentences shown to the agent.")
    draft: list[str] = Field(
        default_factory=list,
        description="What `harness init` guessed and nobody has confirmed; `harness check` refuses the task until "
        "it is empty. Never shown to an agent.",
    )
    limits: Limits = Field(default_factory=Limits)
    strategy: AnyStrategy = Field(default_factory=BestOfN, description="What an attempt learns of those before it.")
    prices: dict[str, ModelPrice] = Field(
        default_factory=dict, description="What models cost, by name, where price data do not know or are wrong."
    )

    @model_validator(mode="after")
    def _can_be_timed(self) -> Task:
        if self.metric.mode == "command":
            if self.bench is not None:
                raise ValueError("bench and metric.mode command exclude each other: a command is timed as it is")
            return self
        missing = [key for key in ("bench", "api") if getattr(self, key) is None]
        if missing:
            raise ValueError(f"the key {missing[0]!r} is missing (only metric.mode command does without)")
        return self


class LoadedTask(BaseModel):
    """A task with the folder its relative paths start from.

    Attributes:
        task: the file's content.
        file: the task file, absolute.
    """

    model_config = ConfigDict(frozen=True)

    task: Task
    file: Path

    def resolve(self, relative: str) -> Path:
        """A path named in the file, absolute; relative ones start at the task file's folder."""
        return (self.file.parent / relative).resolve()

    @property
    def bench_file(self) -> Path | None:
        """The bench module; None where a command is timed."""
        return None if self.task.bench is None else self.resolve(self.task.bench)

    @property
    def hidden_tests(self) -> Path | None:
        """The folder of hidden tests, if the task has one."""
        return None if self.task.tests.hidden is None else self.resolve(self.task.tests.hidden)

    @property
    def reference_patch(self) -> Path | None:
        """The expert's patch, if the task has one."""
        return None if self.task.reference_patch is None else self.resolve(self.task.reference_patch)

    @property
    def references(self) -> Path | None:
        """The file of reference figures, if the task has one."""
        return None if self.task.references is None else self.resolve(self.task.references)


BUNDLED = Path(__file__).resolve().parent.parent / "tasks"


def find_task_file(name: str) -> Path:
    """The file a user means by `tasks/moe_align.yaml`, `moe_align.yaml` or `moe_align`.

    A path that exists wins; then the bundled tasks, so that an installed harness runs from an empty folder.

    Raises:
        TaskError: there is no such file; names the bundled tasks and the nearest of them.
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
    near = difflib.get_close_matches(wanted, names, n=1)
    guess = f" Did you mean tasks/{near[0]}.yaml?" if near else ""
    return f"Give the path of a .yaml file. Bundled tasks: {', '.join(names) or 'none'}.{guess}"


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
        raise TaskError(f"{file}: not valid YAML.\n{error}") from error
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


def task_schema() -> dict[str, Any]:
    """The task file's JSON schema, for editors; `tasks/task.schema.json` holds it and a test keeps it true."""
    schema = Task.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":  # `make schema`
    import json

    print(json.dumps(task_schema(), indent=2))
