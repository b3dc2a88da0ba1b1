"""A task's clock, tests and judge on somebody's checkout, outside any run of an agent's."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbits
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.stopping import Stop, stoppable
from agent.tools import tool_specs
from harness.agents import PatchAgent
from harness.attempt import verify_patch
from harness.attempt_setup import Setup
from harness.display import PlainDisplay
from harness.errors import HarnessError, Rejected, UsageError
from harness.event_text import describe
from harness.events import Event
from harness.frame import Frame, frame
from harness.options import RunOptions
from harness.patch import take_diff
from harness.task import LoadedTask
from harness.text import interval_text
from harness.tool_service.checkout import require_checkout
from harness.tool_service.inside.mcp_server import Tell, Work
from harness.verdict import Verdict
from harness.whole_file import write_atomic
from harness.workbench import WorktreeBench

AGENT = "mcp"
_ADVISORY = ("measure", "run_tests", "profile")
_JUDGE = "judge"


class _NoArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class JudgeArguments(_NoArguments):
    """Judge the checkout as it is now, as a patch is judged that counts: the full verdict, in some minutes.

    The difference from the base is applied to a fresh checkout, built, held against all tests and the oracle, and
    timed on all workloads, held-out ones included; a win is measured twice. The same difference is judged once:
    asked again, the same verdict is given.
    """


def offered_tools() -> list[dict[str, Any]]:
    """Names, descriptions and schemas of the tools."""
    own = [spec.model_dump() for spec in tool_specs() if spec.name in _ADVISORY]
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    description = "\n".join(line.strip() for line in (JudgeArguments.__doc__ or "").strip().splitlines())
    return [*own, {"name": _JUDGE, "description": description, "parameters": schema}]


@dataclass
class _Admitted:
    """What the first call makes, and the others use."""

    run: Frame
    setup: Setup
    bench: WorktreeBench
    judged: dict[str, str] = field(default_factory=dict)


class TaskTools:
    """The tools over one checkout. All work is done by one thread, call after call.

    The first call seals the source and admits the base, which takes a minute or more: a client that starts this
    with every session of its own pays only where the tools are used. A client that loses patience meanwhile loses
    nothing: the admission goes on, and the next call finds it done.
    """

    def __init__(self, options: RunOptions, loaded: LoadedTask, tree: Path) -> None:
        self._options = options
        self._loaded = loaded
        self._tree = tree
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="task-tools")
        self._end = Stop()
        self._call: Stop | None = None
        self._admitted: _Admitted | None = None
        self._frame = contextlib.ExitStack()
        self._log = PlainDisplay(sys.stderr)
        self._tell: Tell = lambda _: None

    def begin(self, name: str, arguments: dict[str, Any], tell: Tell) -> Work:
        """Have a tool run; see `inside.mcp_server.Begin`."""
        stop = Stop()
        answer = self._thread.submit(self._answer, name, arguments, tell, stop)
        return Work(answer, lambda: _cancel(answer, stop))

    def close(self) -> None:
        """End what is under way, and leave nothing but the record of what was judged.

        Raises:
            HarnessError: the record could not be ended as it should be.
        """
        self._end.ask()
        if self._call is not None:
            self._call.ask()
        tidied = self._thread.submit(self._frame.close)
        self._thread.shutdown(wait=True)
        tidied.result()

    def _answer(self, name: str, arguments: dict[str, Any], tell: Tell, stop: Stop) -> dict[str, Any]:
        self._tell = tell
        try:
            tool = self._tool(name, arguments)
            admitted = self._admit()
            if stop.asked or self._end.asked:
                raise UsageError("The call was taken back.")
            self._call = stop
            with stoppable(stop):
                return {"text": tool(admitted), "error": False}
        except HarnessError as error:
            return {"text": str(error), "error": True}
        finally:
            self._call = None
            self._tell = lambda _: None

    def _tool(self, name: str, arguments: dict[str, Any]) -> Callable[[_Admitted], str]:
        tools: dict[str, Callable[[_Admitted], str]] = {
            "measure": lambda admitted: admitted.bench.measure(),
            "run_tests": lambda admitted: admitted.bench.run_tests(),
            "profile": lambda admitted: admitted.bench.profile(),
            _JUDGE: self._judge,
        }
        if name not in tools:
            raise UsageError(f"There is no tool {name!r}. The tools are: {', '.join(tools)}.")
        try:
            _NoArguments.model_validate(arguments)
        except ValidationError as error:
            raise UsageError(f"{name} takes no arguments (found: {', '.join(arguments)}).") from error
        return tools[name]

    def _admit(self) -> _Admitted:
        if self._admitted is not None:
            return self._admitted
        with contextlib.ExitStack() as stack, stoppable(self._end):
            runs: list[Frame] = []
            stack.callback(_remove_unless_judged, runs)
            run = stack.enter_context(frame(self._options, self._emit))
            runs.append(run)
            require_checkout(run.sealed, self._tree, self._loaded)
            agent = PatchAgent(name=AGENT, note=f"Judges {self._tree} whenever it is asked to.")
            run.begin(agent)
            seed = randbits(53) if self._options.seed is None else self._options.seed
            setup = run.admit(agent, seed)
            bench = WorktreeBench(self._loaded, setup.judge.base, self._tree, setup.repository, run.space / "bench")
            bench.on_progress = lambda progress: self._say(
                f"session {progress.sessions} of {progress.most_sessions}: {interval_text(progress.speedup)}"
            )
            self._admitted = _Admitted(run, setup, bench)
            self._frame = stack.pop_all()
        return self._admitted

    def _judge(self, admitted: _Admitted) -> str:
        try:
            patch = take_diff(admitted.run.sealed, self._tree)
        except Rejected as end:
            return f"{end.status} ({end.cause}): {end.message}"
        if not patch.changes:
            return "no_patch: the checkout is the base as it was; there is nothing to judge."
        if patch.sha256 in admitted.judged:
            return f"{admitted.judged[patch.sha256]}\n(This difference was judged before; that verdict stands.)"
        file = admitted.run.space / "judged.diff"
        write_atomic(file, patch.text)
        verdict = verify_patch(admitted.setup, f"{len(admitted.run.verdicts) + 1:03d}", file)
        text = verdict_text(verdict, admitted.run.folder.attempt(str(verdict.attempt)).path)
        admitted.run.verdicts.append(verdict)
        if verdict.status != "infra_failed":
            admitted.judged[patch.sha256] = text
        return text

    def _emit(self, event: Event) -> None:
        self._log(event)
        line = describe(event)
        if line:
            self._say(line.splitlines()[0])

    def _say(self, line: str) -> None:
        self._tell(line)


def _remove_unless_judged(runs: list[Frame]) -> None:
    """A record without a verdict is of no use to anybody: measurements here are advice."""
    for run in runs:
        if not run.verdicts:
            shutil.rmtree(run.folder.path, ignore_errors=True)


def _cancel(answer: Future[dict[str, Any]], stop: Stop) -> None:
    answer.cancel()
    stop.ask()


def verdict_text(verdict: Verdict, folder: Path) -> str:
    """A verdict for somebody who reads text: status, cause, every workload, what was found, and where it is kept."""
    head = f"{verdict.status} ({verdict.cause})" if verdict.cause else verdict.status
    lines = [f"{head}: {verdict.message}"]
    width = max((len(each.name) for each in verdict.workloads), default=0)
    for each in verdict.workloads:
        seen = "held out" if each.held_out else "shown"
        lines.append(
            f"  {each.name:{width}}  {seen:8}  base {each.base_us:10.1f} us  now {each.candidate_us:10.1f} us  "
            f"{interval_text(each.speedup)}"
        )
    lines += [
        f"  found {finding.rule} in {finding.file}:{finding.line}: {finding.message}" for finding in verdict.findings
    ]
    return "\n".join([*lines, f"Kept in {folder}."])
