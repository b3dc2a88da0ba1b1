"""`metric.mode: command`: what a task file says about a program that is timed whole, or by a number it prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.timing.job import Command, CommandSpec

ONLY = "command"
_TASK_FOLDER = "{task}"


class CommandKeys(BaseModel):
    """The keys of `metric` that go with `mode: command`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    command: str | list[str] | None = Field(
        None,
        description="mode command: the program, as a bash line or as a list of arguments. It runs in a copy of the "
        "checkout, which is first on PYTHONPATH. {seed} in it is a new number for every pair of runs, {task} the "
        "folder of the task file.",
    )
    commands: dict[str, str | list[str]] = Field(
        default_factory=dict, description="mode command: several programs, each a workload with a name."
    )
    held_out: list[str] = Field(default_factory=list, description="Names of the commands the agent never sees.")
    number: str | None = Field(
        None,
        description="mode command: a regular expression with a group (?P<value>...); the last number it finds on "
        "standard output is compared. Without it, the wall time of the whole process is.",
    )
    unit: str = Field("s", description="Of that number. ns, us, ms and s are held against the wall clock.")
    higher_is_better: bool = Field(False, description="Whether that number is a rate.")
    compare: Literal["stdout", "regex", "none"] = Field(
        "stdout",
        description="mode command: what of a run's standard output must equal the base's: all of it, with the number "
        "masked; what `pattern` finds in it; nothing.",
    )
    pattern: str | None = Field(None, description="Goes with compare: regex.")
    check: str | list[str] | None = Field(
        None,
        description="mode command: a program that ends with 0 if an output is right. It runs in the base's checkout; "
        "HARNESS_OUTPUT names the file of the output, HARNESS_TREE the folder the command ran in.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> CommandKeys:
        given = {name for name in CommandKeys.model_fields if name in self.model_fields_set}
        if getattr(self, "mode", None) != ONLY:
            if given:
                raise ValueError(f"{', '.join(sorted(given))} goes with mode: command")
            return self
        if (self.command is None) == (not self.commands):
            raise ValueError("mode command needs exactly one of command and commands")
        unknown = [name for name in self.held_out if name not in self.commands]
        if unknown:
            raise ValueError(f"held_out names {', '.join(unknown)}, which is not among commands")
        if self.commands and set(self.held_out) >= set(self.commands):
            raise ValueError("every command is held out: the agent must see at least one")
        if (self.compare == "regex") != (self.pattern is not None):
            raise ValueError("pattern and compare: regex go together")
        for name in ("number", "pattern"):
            _require_expression(name, getattr(self, name))
        return self


def _require_expression(name: str, expression: str | None) -> None:
    if expression is None:
        return
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise ValueError(f"{name} is no regular expression: {error}") from error
    if name == "number" and "value" not in compiled.groupindex:
        raise ValueError("number needs a group named value, as in 'Duration: (?P<value>[0-9.]+)'")


def command_spec(keys: CommandKeys, folder: Path) -> CommandSpec | None:
    """What the referee is told; None where the metric has no command.

    Args:
        keys: the task's metric.
        folder: the task file's folder, which {task} stands for.
    """
    named = keys.commands or ({} if keys.command is None else {"command": keys.command})
    if not named:
        return None
    return CommandSpec(
        commands=[
            Command(name=name, held_out=name in keys.held_out, arguments=_arguments(command, folder))
            for name, command in named.items()
        ],
        number=keys.number,
        unit=keys.unit,
        higher_is_better=keys.higher_is_better,
        compare=keys.compare,
        pattern=keys.pattern,
        check=None if keys.check is None else _arguments(keys.check, folder),
        readable=[str(path) for path in trusted_scripts(keys, folder)],
    )


def trusted_scripts(keys: CommandKeys, folder: Path) -> list[Path]:
    """Files beside the task file that the commands name: a verdict rests on them."""
    commands = [keys.command, keys.check, *keys.commands.values()]
    words = " ".join(" ".join(each) if isinstance(each, list) else each or "" for each in commands)
    found = [folder / name for name in re.findall(r"\{task\}/([\w./+-]+)", words)]
    return sorted({path for path in found if path.is_file()})


def _arguments(command: str | list[str], folder: Path) -> list[str]:
    parts = ["bash", "-c", command] if isinstance(command, str) else command
    return [part.replace(_TASK_FOLDER, str(folder)) for part in parts]
