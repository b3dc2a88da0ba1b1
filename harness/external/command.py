"""Any program as an agent: the prompt in a file and on standard input, the worktree as its folder, the diff judged."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from agent.budget import Limits
from agent.loop import AgentOutcome
from harness.agents import AgentRequest, OnStep
from harness.errors import UsageError
from harness.external.programs import Program, find_program
from harness.external.reach import Reach
from harness.external.recorder import call_of
from harness.external.session import open_session
from harness.workbench import WorktreeBench

MODEL_VARIABLE = "HARNESS_MODEL"
_USAGE = "Write it as --agent command:'PROGRAM ARGUMENT...', with quotes around all of it."
# What says that a word is a path of whoever types it, and not one in the worktree or no path at all.
_PATH_STARTS = ("/", "./", "../", "~/")


@dataclass
class CommandAgent:
    """Runs one program and waits for it.

    Attributes:
        program: what is run.
        arguments: its arguments.
        shown: files and folders among the arguments, which the sandbox shows it.
        reach: what it may reach.
    """

    name: str
    model: str | None
    program: Program
    arguments: tuple[str, ...]
    shown: tuple[Path, ...]
    reach: Reach
    note: str | None = None
    version: str | None = None
    own_tools: bool = True

    def work(
        self, workbench: WorktreeBench, prompt: str, limits: Limits, trajectory: Path, on_step: OnStep
    ) -> AgentOutcome:
        """Run the program to its end, or to a limit."""
        line = [*self.program.line, *self.arguments]
        with open_session(workbench, prompt, limits, trajectory, on_step, self.reach) as session:
            call = call_of("program", "command", {"line": line})
            session.record.started(call, shlex.join(line))
            ran = session.run(
                line,
                readable=(*self.program.readable, *self.shown),
                environment={MODEL_VARIABLE: self.model} if self.model else None,
                stdin=session.prompt,
            )
            session.record.ended(call.id, ran.output, is_error=ran.exit_code != 0)
            return session.end(ran, detail=ran.last_line)


def make_command(request: AgentRequest) -> CommandAgent:
    """The agent of `--agent command:'...'`.

    A word that is written as a path (`/...`, `./...`, `../...`, `~/...`) and is there is made absolute and shown to the
    program; the sandbox has nothing else of the disk.

    Raises:
        UsageError: there is no command line, it cannot be taken apart, or its program is not there.
    """
    try:
        words = shlex.split(request.argument or "")
    except ValueError as error:
        raise UsageError(f"{request.argument}: {error}.", remedy=_USAGE) from error
    if not words:
        raise UsageError("--agent command needs the command line of a program.", remedy=_USAGE)
    program = find_program(words[0], remedy="Install it, or give its path. " + _USAGE)
    paths = [_own_path(word) for word in words[1:]]
    return CommandAgent(
        name=f"command:{Path(words[0]).name}",
        model=request.model,
        program=program,
        arguments=tuple(str(path or word) for path, word in zip(paths, words[1:], strict=True)),
        shown=tuple(path for path in paths if path is not None),
        reach=request.reach(needs_model=False),
        note=f"The agent is the program `{shlex.join(words)}`.",
    )


def _own_path(word: str) -> Path | None:
    if not word.startswith(_PATH_STARTS):
        return None
    path = Path(word).expanduser().absolute()
    return path if path.exists() else None
