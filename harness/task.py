"""What a task says: what its target is, what may change, and how it is judged. `harness.task_file` reads one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.bench_files import bench_files
from harness.metric import CommandKeys
from harness.strategy import AnyStrategy
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
    def bench_files(self) -> list[Path]:
        """The bench and what it rests on beside itself; nothing that the task names for another purpose."""
        if self.bench_file is None:
            return []
        source = self.task.source
        named = (self.task.recorded, self.task.reference_patch, self.task.tests.hidden, source.path, source.overlay)
        return bench_files(self.bench_file, [self.file, *(self.resolve(each) for each in named if each is not None)])

    @property
    def kept_from_agents(self) -> list[Path | None]:
        """What no command of the target's side is to see: how it is judged, known answers, and the target's history."""
        task, bench = self.task, self.bench_file
        beside = bench is not None and self.file.parent in bench.parent.parents
        return [
            *(self.file, *self.bench_files, bench.parent if bench is not None and beside else None),
            *(self.hidden_tests, self.reference_patch, self.references),
            None if task.recorded is None else self.resolve(task.recorded),
            None if task.source.path is None else self.resolve(task.source.path) / ".git",
        ]

    @property
    def references(self) -> Path | None:
        """The file of reference figures, if the task has one."""
        return None if self.task.references is None else self.resolve(self.task.references)


def task_schema() -> dict[str, Any]:
    """The task file's JSON schema, for editors; `tasks/task.schema.json` holds it and a test keeps it true."""
    schema = Task.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":  # `make schema`
    import json

    print(json.dumps(task_schema(), indent=2))
