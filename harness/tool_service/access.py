"""The folder of tools of one attempt: commands, pipes, descriptions, and what an agent needs to use them."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition

from agent.messages import ToolSpec
from agent.tools import tool_specs
from harness.errors import UsageError
from harness.folders import delete_quietly
from harness.whole_file import make_folder

SERVED = ("measure", "run_tests", "profile", "submit")
_INSIDE = Path(__file__).resolve().with_name("inside")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
VARIABLE = "HARNESS_TOOLS"


@dataclass
class ToolAccess:
    """How an agent gets at its tools, and what it has done with them. Threads may share it.

    Attributes:
        folder: the folder of tools; nothing in it is secret.
        calls: how many calls were carried out, `submit` included.
        bad_calls: how many could not be read, or asked for what there is not.
    """

    folder: Path
    calls: int = 0
    bad_calls: int = 0
    _submitted: str | None = None
    _changed: Condition = field(default_factory=Condition)
    _service: Future[None] | None = None

    @property
    def bin(self) -> Path:
        """The folder of plain commands, for the front of a PATH."""
        return self.folder / "bin"

    @property
    def environment(self) -> dict[str, str]:
        """`PATH` with the commands first, the interpreter and the system behind them; and `HARNESS_TOOLS`."""
        return {"PATH": f"{self.bin}:{Path(sys.executable).parent}:{_SYSTEM_PATH}", VARIABLE: str(self.folder)}

    @property
    def readable(self) -> tuple[Path, ...]:
        """What a sandbox must show."""
        return (self.folder,)

    @property
    def writable(self) -> tuple[Path, ...]:
        """What a sandbox must let be written to: the folder of the pipes."""
        return (self.folder / "pipes",)

    @property
    def mcp_command(self) -> list[str]:
        """Starts the MCP server over standard input and output, inside the sandbox; needs no environment variable."""
        return [*inside(self.folder), "mcp"]

    @property
    def submitted(self) -> str | None:
        """The summary the agent submitted with, None until it has."""
        return self._submitted

    def wait(self, seconds: float | None = None) -> str | None:
        """Wait for the submission; None when `seconds` are over before it.

        Raises:
            HarnessError: a call failed by a fault of the harness or the task; no more are served.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._submitted is not None or self._is_over(), seconds)
        if self._service is not None and self._service.done():
            self._service.result()
        return self._submitted

    def submit(self, summary: str) -> None:
        """Note that the work is done: for the service."""
        with self._changed:
            self._submitted = summary
            self._changed.notify_all()

    def serve_by(self, service: Future[None]) -> None:
        """Tell who serves, so that nobody waits for a service that has ended: for the service."""
        self._service = service
        service.add_done_callback(self._wake)

    def _wake(self, _service: Future[None]) -> None:
        with self._changed:
            self._changed.notify_all()

    def _is_over(self) -> bool:
        return self._service is not None and self._service.done()


def inside(folder: Path) -> list[str]:
    """The command line, to be followed by a tool's name, that reaches the tools in `folder`."""
    return [sys.executable, "-I", str(_INSIDE), str(folder)]


def served_specs() -> list[ToolSpec]:
    """Names, descriptions and schemas of the tools that are served, as our own loop offers them to a model."""
    return [spec for spec in tool_specs() if spec.name in SERVED]


@contextmanager
def made_folder(folder: Path) -> Iterator[Path]:
    """The folder with all that belongs in it, gone at the end.

    Raises:
        StorageError: it cannot be made.
    """
    delete_quietly(folder)
    make_folder(folder / "bin")
    make_folder(folder / "pipes")
    try:
        folder.chmod(0o700)
        specs = [spec.model_dump() for spec in served_specs()]
        (folder / "tools.json").write_text(json.dumps(specs, indent=1), encoding="utf-8")
        for name in SERVED:
            _write_command(folder, name)
        for name in ("request", "answer"):
            os.mkfifo(folder / "pipes" / name, 0o600)
        (folder / "pipes" / "turn").touch()
        yield folder
    finally:
        delete_quietly(folder)


def _write_command(folder: Path, name: str) -> None:
    # A shell in between, because a #! line takes neither long paths nor blanks in them. -S: nothing is looked for.
    python, *rest = inside(folder)
    line = shlex.join([python, "-S", *rest, name])
    path = folder / "bin" / name
    path.write_text(f'#!/bin/sh\nexec {line} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def tool_folder(root: Path) -> Path:
    """Where the tools of the worktree `root` lie by custom: beside it, so that who stands in it can find them."""
    return root.with_name(f"{root.name}.tools")


def find_tools(start: Path) -> Path:
    """The folder of tools of the attempt whose worktree `start` lies in.

    Raises:
        UsageError: there is none.
    """
    start = start.resolve()
    for root in (start, *start.parents):
        if root.name and (tool_folder(root) / "pipes" / "request").is_fifo():
            return tool_folder(root)
    raise UsageError(
        f"{start} is in no worktree of an attempt under way.",
        remedy="Go to the one that `harness run --agent manual` named, or name it with --worktree DIR.",
    )
