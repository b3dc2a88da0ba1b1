"""The tools the loop offers a model, and what happens when it calls one. A bad call is answered, never fatal."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.foreign_calls import CANNOT_BE_READ, foreign_subject
from agent.messages import ToolCall, ToolResult, ToolSpec
from agent.patch_apply import apply_patch
from agent.patch_format import PatchError, parse_patch
from agent.text import clean, one_line, shorten
from agent.workbench import Workbench, WorkbenchError

DEFAULT_SHELL_SECONDS = 120.0
MAX_SHELL_SECONDS = 1800.0
# A little more than the shell keeps, so that a text the shell has cut is not cut again.
MAX_OUTPUT_CHARS = 24_000


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShellArguments(_Arguments):
    """Run a bash command in the worktree, without a terminal or standard input.

    Output is cut in the middle when it is long. Everything the command started is killed when it ends.
    """

    command: str = Field(min_length=1, description="The bash command line.")
    seconds: float = Field(
        DEFAULT_SHELL_SECONDS, gt=0, le=MAX_SHELL_SECONDS, description="Time limit; the command is killed at it."
    )


class ApplyPatchArguments(_Arguments):
    """Edit files with one patch, whole or not at all.

    The format, without line numbers: a hunk is found by the lines around the change.

    *** Begin Patch
    *** Update File: path/from/worktree.py
    @@ def function_the_change_is_in():
     a line before, as it is in the file
    -the line to take out
    +the line to put in
     a line after
    *** Add File: path/new.py
    +every line starts with a plus
    *** Delete File: path/old.py
    *** End Patch
    """

    patch: str = Field(min_length=1, description="From '*** Begin Patch' to '*** End Patch'.")


class PlanStep(_Arguments):
    """One step of the plan."""

    step: str = Field(min_length=1, description="What is to be done, in a few words.")
    status: Literal["pending", "in_progress", "completed"] = "pending"


class UpdatePlanArguments(_Arguments):
    """Write down the plan, whole; it is kept when old output has to be dropped."""

    steps: list[PlanStep] = Field(min_length=1)


class MeasureArguments(_Arguments):
    """Time the worktree against the base on the shown workloads, interleaved. Advisory: the verdict is timed anew."""


class RunTestsArguments(_Arguments):
    """Build the worktree, run the public tests and check the outputs on the shown workloads."""


class ProfileArguments(_Arguments):
    """Profile the benchmarked calls on the worktree: where the time goes."""


class SubmitArguments(_Arguments):
    """End the work. The worktree as it is now is what will be judged."""

    summary: str = Field(description="What was changed and why it is faster, in a few sentences.")


_ARGUMENTS: dict[str, type[_Arguments]] = {
    "shell": ShellArguments,
    "apply_patch": ApplyPatchArguments,
    "update_plan": UpdatePlanArguments,
    "measure": MeasureArguments,
    "run_tests": RunTestsArguments,
    "profile": ProfileArguments,
    "submit": SubmitArguments,
}


class _BadCall(Exception):
    """The model's call cannot be carried out as it is written; the text tells it why."""


@dataclass(frozen=True)
class _Answer:
    text: str
    is_error: bool = False


class Toolbox:
    """The tools, bound to one workbench.

    Attributes:
        submitted: the summary the model submitted with, None until it has.
        bad_calls: how many calls could not be understood (unknown tool, arguments that do not parse or fit).
    """

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self.submitted: str | None = None
        self.bad_calls = 0

    def run(self, call: ToolCall, *, seconds_left: float = math.inf) -> ToolResult:
        """Carry out a call and say what came of it.

        Args:
            call: the call as the model wrote it, sound or not.
            seconds_left: what is left of the agent's time; no command gets more.
        """
        try:
            answer = self._answer(_arguments_of(call), seconds_left)
        except _BadCall as error:
            self.bad_calls += 1
            answer = _Answer(str(error), is_error=True)
        except (PatchError, WorkbenchError) as error:
            answer = _Answer(str(error), is_error=True)
        text = shorten(clean(answer.text), MAX_OUTPUT_CHARS)
        return ToolResult(call_id=call.id, name=call.name, output=text, is_error=answer.is_error)

    def _answer(self, arguments: _Arguments, seconds_left: float) -> _Answer:
        match arguments:
            case ShellArguments():
                return self._shell(arguments, seconds_left)
            case ApplyPatchArguments():
                return _Answer(f"Done.\n{apply_patch(arguments.patch, self._workbench.root)}")
            case UpdatePlanArguments():
                return _Answer("The plan is written down.")
            case SubmitArguments():
                self.submitted = arguments.summary
                return _Answer("Submitted.")
            case _:
                return _Answer(self._report(arguments))

    def _report(self, arguments: _Arguments) -> str:
        reports: dict[type[_Arguments], Callable[[], str]] = {
            MeasureArguments: self._workbench.measure,
            RunTestsArguments: self._workbench.run_tests,
            ProfileArguments: self._workbench.profile,
        }
        return reports[type(arguments)]()

    def _shell(self, arguments: ShellArguments, seconds_left: float) -> _Answer:
        seconds = min(arguments.seconds, seconds_left)
        result = self._workbench.run(arguments.command, seconds=seconds)
        if result.exit_code is None:
            head = f"[killed with all it started: the limit of {seconds:.0f} s was reached]"
        else:
            head = f"[exit code {result.exit_code}, {result.seconds:.1f} s]"
        return _Answer(f"{head}\n{result.output}".rstrip("\n"), is_error=result.exit_code != 0)


def tool_specs() -> list[ToolSpec]:
    """The tools as a model is offered them, always in the same order: providers cache by prefix."""
    return [
        ToolSpec(name=name, description=_description(model), parameters=_schema(model))
        for name, model in _ARGUMENTS.items()
    ]


def describe(call: ToolCall, max_chars: int = 80) -> str:
    """A few words for a display: the command's first line, the files a patch touches; of any agent's tools."""
    if call.name not in _ARGUMENTS:
        return one_line(foreign_subject(call.arguments), max_chars)
    try:
        arguments = _arguments_of(call)
    except _BadCall:
        return CANNOT_BE_READ
    return one_line(_subject(arguments), max_chars)


def _subject(arguments: _Arguments) -> str:
    match arguments:
        case ShellArguments():
            return arguments.command
        case ApplyPatchArguments():
            try:
                return ", ".join(change.path for change in parse_patch(arguments.patch))
            except PatchError:
                return "(a patch that cannot be read)"
        case UpdatePlanArguments():
            current = [step.step for step in arguments.steps if step.status == "in_progress"]
            return (current or [step.step for step in arguments.steps])[0]
        case SubmitArguments():
            return arguments.summary
    return ""


def plan_of(call: ToolCall) -> list[PlanStep] | None:
    """The plan an `update_plan` call writes down; None for other calls and for one that does not parse."""
    try:
        arguments = _arguments_of(call)
    except _BadCall:
        return None
    return arguments.steps if isinstance(arguments, UpdatePlanArguments) else None


def shell_command(call: ToolCall) -> str:
    """The command of a `shell` call; empty for other calls and for one that does not parse."""
    try:
        arguments = _arguments_of(call)
    except _BadCall:
        return ""
    return arguments.command if isinstance(arguments, ShellArguments) else ""


def _arguments_of(call: ToolCall) -> _Arguments:
    model = _ARGUMENTS.get(call.name)
    if model is None:
        raise _BadCall(f"There is no tool {call.name!r}. The tools are: {', '.join(_ARGUMENTS)}.")
    try:
        # A call without arguments comes as an empty string from some servers.
        content: Any = json.loads(call.arguments or "{}")
    except (json.JSONDecodeError, RecursionError) as error:
        raise _BadCall(f"The arguments of {call.name} are not valid JSON: {error}. Nothing was run.") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = "\n".join(
            f"- {'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        schema = json.dumps(_schema(model)["properties"])
        raise _BadCall(
            f"The arguments of {call.name} do not fit; nothing was run.\n{problems}\nIt takes: {schema}"
        ) from error


def _description(model: type[_Arguments]) -> str:
    # The docstrings above are written for the model: they are the tools' descriptions.
    lines = (model.__doc__ or "").strip().split("\n")
    return "\n".join([lines[0], *(line.removeprefix("    ") for line in lines[1:])]).strip()


def _schema(model: type[_Arguments]) -> dict[str, Any]:
    schema = model.model_json_schema()
    schema.setdefault("properties", {})
    schema.pop("description", None)
    _drop_titles(schema)
    return schema


def _drop_titles(node: object) -> None:
    """Pydantic titles every field with its own name again: tokens that say nothing."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for value in node.values():
            _drop_titles(value)
    elif isinstance(node, list):
        for value in node:
            _drop_titles(value)
