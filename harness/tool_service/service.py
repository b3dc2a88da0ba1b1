"""Serving one attempt's workbench: a thread that takes one request after the other, whoever it comes from."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.messages import ToolCall, ToolResult
from agent.stopping import Stop, stoppable
from agent.toolbox import Toolbox
from agent.trajectory import ToolEnded, ToolStarted
from agent.workbench import CommandResult, Report, Workbench
from harness.errors import HarnessError
from harness.text import interval_text
from harness.timing.measurement import Progress
from harness.tool_service.access import SERVED, ToolAccess, made_folder
from harness.tool_service.channel import AnswerPipe, RequestPipe
from harness.tool_service.recorder import OnCall
from harness.workbench import WorktreeBench

MAX_CALLS = 2_000
# Who sends nothing but garbage shall not keep this process busy, nor block the pipe for long.
_BAD_CALLS_AT_ONCE = 500
_PAUSE_SECONDS = 0.02


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(max_length=64)
    tool: str = Field(max_length=64)
    arguments: dict[str, Any]


@contextmanager
def serve_tools(
    workbench: Workbench, folder: Path, on_call: OnCall, *, seconds_left: Callable[[], float] = lambda: math.inf
) -> Iterator[ToolAccess]:
    """Serve a workbench to the processes that `folder` is shown to, while the block lasts.

    Leaving the block ends a call that is still under way.

    Args:
        workbench: what the tools work on.
        folder: made for this, and removed at the end; `tool_folder(workbench.root)` is where people's commands look.
        on_call: told of every call; see `recorder`.
        seconds_left: what is left of the attempt's time; no call is begun after it.

    Raises:
        HarnessError: on leaving the block, what a call failed by: a fault of the harness or of the task.
        StorageError: the folder cannot be made.
    """
    access = ToolAccess(folder.absolute())
    with made_folder(access.folder), RequestPipe(access.folder) as requests:
        service = _Service(workbench, access, on_call, seconds_left, requests)
        with ThreadPoolExecutor(1, thread_name_prefix="tools") as thread:
            running = thread.submit(service.run)
            access.serve_by(running)
            try:
                yield access
            finally:
                service.stop()
        running.result()


class _Service:
    def __init__(
        self,
        workbench: Workbench,
        access: ToolAccess,
        on_call: OnCall,
        seconds_left: Callable[[], float],
        requests: RequestPipe,
    ) -> None:
        self._heard = _Heard(workbench)
        self._tools = Toolbox(self._heard)
        self._access = access
        self._on_call = on_call
        self._seconds_left = seconds_left
        self._requests = requests
        self._stop = Stop()

    def run(self) -> None:
        """Serve until told to stop, or until a call fails by a fault of ours."""
        with self._requests.serving(), stoppable(self._stop):
            while not self._stop.asked and (line := self._requests.next_line()) is not None:
                try:
                    self._serve(line)
                except HarnessError:
                    if not self._stop.asked:  # else it is what being stopped looks like from inside
                        raise

    def stop(self) -> None:
        """End what is under way and take no more."""
        self._stop.ask()
        self._requests.close_down()

    def _serve(self, line: bytes) -> None:
        try:
            request = _Request.model_validate_json(line)
        except ValidationError:
            self._count_bad_call()
            return
        with AnswerPipe.opened(self._requests, request.id) as answers:
            if answers is None:
                return  # whoever asked has gone; nothing is run for nobody
            refusal = self._refusal(request.tool)
            if refusal is not None:
                self._count_bad_call()
                answers.finish(refusal, ok=False, error=True)
                return
            self._carry_out(request, answers)

    def _refusal(self, tool: str) -> str | None:
        if tool not in SERVED:
            return f"There is no tool {tool!r}. The tools are: {', '.join(SERVED)}."
        if self._access.submitted is not None:
            return "The work is submitted already; it is judged as it was left."
        if self._access.calls >= MAX_CALLS:
            return f"{MAX_CALLS} calls were made; no more are served."
        if tool != "submit" and self._seconds_left() <= 0:
            return "The attempt's time is over."
        return None

    def _carry_out(self, request: _Request, answers: AnswerPipe) -> None:
        self._access.calls += 1
        number = self._access.calls
        call = ToolCall(id=f"served-{number}", name=request.tool, arguments=json.dumps(request.arguments))
        self._on_call(ToolStarted(step=number, call=call))
        start = time.monotonic()
        with self._heard.reporting(answers.progress):
            result = self._run(call)
        if self._stop.asked:
            return  # it was cut short: what it says is not true
        self._on_call(ToolEnded(step=number, seconds=time.monotonic() - start, result=result))
        answers.finish(result.output, ok=self._heard.ok and not result.is_error, error=result.is_error)
        if self._tools.submitted is not None:
            # Only now: whoever waits for it may end everything at once, this answer's reader first.
            self._access.submit(self._tools.submitted)

    def _run(self, call: ToolCall) -> ToolResult:
        self._heard.ok = True
        before = self._tools.bad_calls
        result = self._tools.run(call)
        self._access.bad_calls += self._tools.bad_calls - before
        return result

    def _count_bad_call(self) -> None:
        self._access.bad_calls += 1
        if self._access.bad_calls % _BAD_CALLS_AT_ONCE == 0:
            time.sleep(_PAUSE_SECONDS)


class _Heard:
    """A workbench that also remembers whether its last report was good news, and passes progress on."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self.ok = True

    @property
    def root(self) -> Path:
        return self._workbench.root

    def run(self, command: str, *, seconds: float) -> CommandResult:
        return self._workbench.run(command, seconds=seconds)

    def measure(self) -> Report:
        return self._keep(self._workbench.measure())

    def run_tests(self) -> Report:
        return self._keep(self._workbench.run_tests())

    def profile(self) -> Report:
        return self._keep(self._workbench.profile())

    @contextmanager
    def reporting(self, tell: Callable[[str], None]) -> Iterator[None]:
        bench = self._workbench
        if not isinstance(bench, WorktreeBench):
            yield
            return
        bench.on_progress = lambda progress: tell(_words(progress))
        try:
            yield
        finally:
            bench.on_progress = lambda _: None

    def _keep(self, report: Report) -> Report:
        self.ok = report.ok
        return report


def _words(progress: Progress) -> str:
    return f"session {progress.sessions} of {progress.most_sessions}: {interval_text(progress.speedup)}"
