"""Carries out the calls that a model makes of its tools. A bad call is answered, never fatal."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from agent.messages import ToolCall, ToolResult
from agent.patch_apply import apply_patch
from agent.patch_format import PatchError
from agent.text import clean, shorten
from agent.tools import (
    ApplyPatchArguments,
    BadCall,
    MeasureArguments,
    ProfileArguments,
    RunTestsArguments,
    ShellArguments,
    SubmitArguments,
    ToolArguments,
    UpdatePlanArguments,
    arguments_of,
)
from agent.workbench import Workbench, WorkbenchError

# A little more than the shell keeps, so that a text the shell has cut is not cut again.
MAX_OUTPUT_CHARS = 24_000


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
            answer = self._answer(arguments_of(call), seconds_left)
        except BadCall as error:
            self.bad_calls += 1
            answer = _Answer(str(error), is_error=True)
        except (PatchError, WorkbenchError) as error:
            answer = _Answer(str(error), is_error=True)
        text = shorten(clean(answer.text), MAX_OUTPUT_CHARS)
        return ToolResult(call_id=call.id, name=call.name, output=text, is_error=answer.is_error)

    def _answer(self, arguments: ToolArguments, seconds_left: float) -> _Answer:
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

    def _report(self, arguments: ToolArguments) -> str:
        reports: dict[type[ToolArguments], Callable[[], str]] = {
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
