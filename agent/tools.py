"""The tools that a model is offered, and what it asked for when it called one. `agent.toolbox` carries it out."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.foreign_calls import CANNOT_BE_READ, foreign_subject
from agent.messages import ToolCall, ToolSpec
from agent.patch_format import PatchError, parse_patch
from agent.text import one_line

DEFAULT_SHELL_SECONDS = 120.0
MAX_SHELL_SECONDS = 1800.0


class ToolArguments(BaseModel):
    """What a call of one tool takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ShellArguments(ToolArguments):
    """Run a bash command in the worktree, without a terminal or standard input.

    Output is cut in the middle when it is long. Everything the command started is killed when it ends.
    """

    command: str = Field(min_length=1, description="The bash command line.")
    seconds: float = Field(
        DEFAULT_SHELL_SECONDS, gt=0, le=MAX_SHELL_SECONDS, description="Time limit; the command is killed at it."
    )


class ApplyPatchArguments(ToolArguments):
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


class PlanStep(ToolArguments):
    """One step of the plan."""

    step: str = Field(min_length=1, description="What is to be done, in a few words.")
    status: Literal["pending", "in_progress", "completed"] = "pending"


class UpdatePlanArguments(ToolArguments):
    """Write down the plan, whole; it is kept when old output has to be dropped."""

    steps: list[PlanStep] = Field(min_length=1)


class MeasureArguments(ToolArguments):
    """Time the worktree against the base on the shown workloads, interleaved. Advisory: the verdict is timed anew."""


class RunTestsArguments(ToolArguments):
    """Build the worktree, run the public tests and check the outputs on the shown workloads."""


class ProfileArguments(ToolArguments):
    """Profile the benchmarked calls on the worktree: where the time goes."""


class SubmitArguments(ToolArguments):
    """End the work. The worktree as it is now is what will be judged."""

    summary: str = Field(description="What was changed and why it is faster, in a few sentences.")


_ARGUMENTS: dict[str, type[ToolArguments]] = {
    "shell": ShellArguments,
    "apply_patch": ApplyPatchArguments,
    "update_plan": UpdatePlanArguments,
    "measure": MeasureArguments,
    "run_tests": RunTestsArguments,
    "profile": ProfileArguments,
    "submit": SubmitArguments,
}


class BadCall(Exception):
    """The model's call cannot be carried out as it is written; the text tells it why."""


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
        arguments = arguments_of(call)
    except BadCall:
        return CANNOT_BE_READ
    return one_line(_subject(arguments), max_chars)


def _subject(arguments: ToolArguments) -> str:
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
        arguments = arguments_of(call)
    except BadCall:
        return None
    return arguments.steps if isinstance(arguments, UpdatePlanArguments) else None


def shell_command(call: ToolCall) -> str:
    """The command of a `shell` call; empty for other calls and for one that does not parse."""
    try:
        arguments = arguments_of(call)
    except BadCall:
        return ""
    return arguments.command if isinstance(arguments, ShellArguments) else ""


def arguments_of(call: ToolCall) -> ToolArguments:
    """What a call asks for, checked.

    Raises:
        BadCall: there is no such tool, or its arguments do not parse or fit.
    """
    model = _ARGUMENTS.get(call.name)
    if model is None:
        raise BadCall(f"There is no tool {call.name!r}. The tools are: {', '.join(_ARGUMENTS)}.")
    try:
        # A call without arguments comes as an empty string from some servers.
        content: Any = json.loads(call.arguments or "{}")
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadCall(f"The arguments of {call.name} are not valid JSON: {error}. Nothing was run.") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = "\n".join(
            f"- {'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        schema = json.dumps(_schema(model)["properties"])
        raise BadCall(
            f"The arguments of {call.name} do not fit; nothing was run.\n{problems}\nIt takes: {schema}"
        ) from error


def _description(model: type[ToolArguments]) -> str:
    # The docstrings above are written for the model: they are the tools' descriptions.
    lines = (model.__doc__ or "").strip().split("\n")
    return "\n".join([lines[0], *(line.removeprefix("    ") for line in lines[1:])]).strip()


def _schema(model: type[ToolArguments]) -> dict[str, Any]:
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
