"""What every external agent's attempt has: a ledger, a way to its model, our tools, a confined start, a record."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent.budget import Budget, LimitExceeded, Limits
from agent.loop import AgentOutcome
from agent.process import run_process
from agent.shell import HeadAndTail
from agent.trajectory import Trajectory
from harness.errors import AgentFailed
from harness.external.lines import Lines
from harness.external.lost_calls import last_answer
from harness.external.ran import Ran, Reason, never_started
from harness.external.reach import Reach
from harness.external.recorder import OnStep, Recorder
from harness.network import Access, open_access
from harness.quiet import noisy
from harness.sandbox import Confinement, has_gpu_devices, scrubbed_environment
from harness.stopping import check_stop
from harness.tool_service import ToolAccess, serve_tools, tool_folder
from harness.workbench import WorktreeBench

OUTPUT_BYTES = 20_000
PROMPT_VARIABLE = "HARNESS_PROMPT"
# How long a program may go on after it submitted, or was told that its budget is used up.
_GRACE_SECONDS = 5.0


@dataclass
class Session:
    """One attempt of an external agent.

    Attributes:
        root: the worktree.
        scratch: a private folder, writable inside; the program's home is in it.
        prompt: the file that holds the prompt.
        record: where what happens is written down.
        budget: the ledger.
        tools: ours, for the agent.
    """

    root: Path
    scratch: Path
    prompt: Path
    record: Recorder
    budget: Budget
    tools: ToolAccess
    _access: Access
    _log: Path
    _readable: tuple[Path, ...]
    _told: float | None = field(default=None, init=False)

    @property
    def home(self) -> Path:
        """The program's home folder."""
        return self.scratch / "home"

    def environment(self) -> dict[str, str]:
        """The program's whole environment, but for what it needs of its own."""
        scrubbed = scrubbed_environment(self.root, self.home)
        own = {"TMPDIR": str(self.home / "tmp"), PROMPT_VARIABLE: str(self.prompt)}
        return scrubbed | own | self.tools.environment | dict(self._access.environment)

    @property
    def used_up(self) -> LimitExceeded | None:
        """The limit that the program ran into."""
        return self._access.gateway.used_up if self._access.gateway else None

    @property
    def submitted(self) -> str | None:
        """The summary it submitted with."""
        return self.tools.submitted

    def run(
        self,
        line: Sequence[str],
        *,
        readable: tuple[Path, ...] = (),
        environment: Mapping[str, str] | None = None,
        stdin: Path | None = None,
        on_line: Callable[[bytes], None] | None = None,
        on_tick: Callable[[], None] = lambda: None,
    ) -> Ran:
        """Run a program confined in the worktree until it ends, submits, or a limit ends it; nothing of it is left.

        Args:
            line: the program and its arguments.
            readable: what the sandbox must show it besides.
            environment: variables besides.
            stdin: the file that is its standard input.
            on_line: is given each line of its standard output.
            on_tick: called every few milliseconds while it runs.

        Raises:
            AgentFailed: it could not be started.
        """
        confinement = Confinement(
            writable=(self.root, self.scratch, *self.tools.writable),
            readable=(*self._readable, *self.tools.readable, *readable),
            gpu=has_gpu_devices(),
        )
        kept = HeadAndTail(OUTPUT_BYTES)
        lines = None if on_line is None else Lines(on_line)

        def stop() -> bool:
            check_stop()
            on_tick()
            return self._out_of_grace()

        try:
            # It may work for an hour: whenever somebody measures, itself included, it is frozen meanwhile.
            with noisy(gpu=confinement.gpu) as noise:
                code = run_process(
                    [*self._access.wrap(confinement), *line],
                    cwd=self.root,
                    env=self.environment() | dict(environment or {}),
                    seconds=self.budget.seconds_left,
                    output=lines.add if lines else kept.add,
                    errors=kept.add if lines else None,
                    stdin=stdin,
                    stop=stop,
                    hold=noise.give_way,
                )
        except (OSError, ValueError) as error:
            raise AgentFailed("cannot_start", f"{line[0]} cannot be started: {error}.") from error
        finally:
            if lines:
                lines.close()
        ran = Ran(code, kept.text(), None if code is not None else self._why())
        if never_started(ran, line[0]):
            raise AgentFailed("cannot_start", f"{line[0]} cannot be started: {ran.last_line}.")
        return ran

    def end(self, ran: Ran, *, detail: str = "", error: str | None = None) -> AgentOutcome:
        """Write down how it ended.

        Args:
            ran: how its program ended.
            detail: its own last words.
            error: what it says its model failed with; None where it did not.
        """
        limit = self.used_up
        if limit is None and ran.why == "time":
            limit = LimitExceeded("seconds", self.budget.seconds, self.budget.limits.seconds)
        if self.submitted is not None:
            return self._end("submitted", self.submitted)
        if limit is not None:
            self.record.limit(limit)
            return self._end("limit", str(limit))
        if error is not None:
            outcome, may_pass = last_answer(self._log)
            detail = f"{error} ({outcome})" if outcome else error
            return self._end("model_error", detail, retryable=may_pass)
        if ran.exit_code == 0:
            return self._end("submitted", detail)
        code = f"exit code {ran.exit_code}"
        return self._end("gave_up", f"{code}: {ran.last_line}" if ran.last_line else code)

    def _end(
        self, ended: Literal["submitted", "gave_up", "limit", "model_error"], detail: str, *, retryable: bool = False
    ) -> AgentOutcome:
        self.record.end(ended, detail, self.tools.bad_calls)
        budget = self.budget
        return AgentOutcome(ended, detail, self.record.steps, budget.usage, budget.usd, budget.seconds, retryable)

    def _out_of_grace(self) -> bool:
        if self._told is None and (self.used_up is not None or self.submitted is not None):
            self._told = time.monotonic()
        return self._told is not None and time.monotonic() - self._told > _GRACE_SECONDS

    def _why(self) -> Reason:
        if self.submitted is not None:
            return "submitted"
        return "budget" if self.used_up is not None else "time"


def _furnish(home: Path, path: str) -> None:
    """Make a program's home. A login shell, which some agents run commands in, would set a PATH of its own."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    for name in (".profile", ".zprofile"):
        (home / name).write_text(f"export PATH={shlex.quote(path)}\n", encoding="utf-8")


@contextlib.contextmanager
def open_session(
    workbench: WorktreeBench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep, reach: Reach
) -> Iterator[Session]:
    """An attempt's session, for as long as the block lasts. An interrupt in it is written down and goes on."""
    scratch = workbench.scratch / "external"
    scratch.mkdir(parents=True, exist_ok=True)
    prompt_file = scratch / "prompt.md"
    prompt_file.write_text(prompt, encoding="utf-8")
    budget = Budget(limits, reach.pricing)
    with Trajectory(trajectory) as written, contextlib.ExitStack() as stack:
        record = Recorder(written, budget, on_step)
        record.prompt(prompt)
        log = trajectory.with_name("requests.jsonl")
        access = stack.enter_context(open_access(reach.endpoint, reach.allow_hosts, budget, log))
        served = serve_tools(
            workbench, tool_folder(workbench.root), record.served, seconds_left=lambda: budget.seconds_left
        )
        tools = stack.enter_context(served)
        _furnish(scratch / "home", tools.environment["PATH"])
        session = Session(workbench.root, scratch, prompt_file, record, budget, tools, access, log, workbench.readable)
        try:
            yield session
        except KeyboardInterrupt:
            record.end("interrupted", "")
            raise
