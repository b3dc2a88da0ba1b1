"""Finding somebody else's program, and what of the disk it needs to start: itself, its installation, its interpreter.

A sandbox shows only what is named, and programs lie in homes. What is shown of them is never more than an installation:
a folder that says of itself that it is one.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.process import run_process
from agent.shell import HeadAndTail
from harness.errors import UsageError
from harness.sandbox import Confinement, current_sandbox, scrubbed_environment
from harness.temporary import temporary_folder

# What tells a folder that holds one environment or runtime from one that holds everything, such as ~/.local.
_MARKS = ("pyvenv.cfg", "conda-meta", "lib/node_modules", "include/node", "lib/python3*/os.py")
_MOST_LINKS = 40
_SHEBANG_BYTES = 512
_START_SECONDS = 60.0
_MOST_BYTES = 4_000


@dataclass(frozen=True)
class Program:
    """A program that can be started in the sandbox.

    Attributes:
        line: what to start it by, to be followed by its arguments: its interpreter too where it is a script.
        readable: what the sandbox must show.
    """

    line: tuple[str, ...]
    readable: tuple[Path, ...]

    @property
    def path(self) -> Path:
        """The program's own file."""
        return Path(self.line[-1])


def find_program(name: str, *, variable: str | None = None, remedy: str) -> Program:
    """A program by its name, on PATH or where a variable says.

    Args:
        name: the name, or a path.
        variable: an environment variable that may hold its path.
        remedy: how to get it.

    Raises:
        UsageError: it is not there, cannot be run, or the interpreter it names is not there.
    """
    said = os.environ.get(variable) if variable else None
    wanted = said or name
    # A Path drops the "./" by which a program that is not on PATH is named.
    found = shutil.which(str(Path(wanted).expanduser().absolute()) if "/" in wanted else wanted)
    if found is None:
        where = f"{variable}={wanted}: that is not a program" if said else _why_not(wanted)
        raise UsageError(f"{where}.", remedy=remedy)
    path = Path(found).absolute()
    interpreter = _interpreter(path)
    if not interpreter:
        return Program((str(path),), tuple(_needs(path)))
    runs = Path(interpreter[0])
    return Program((*interpreter, str(path)), (*_needs(path), *_needs(runs)))


def _why_not(wanted: str) -> str:
    if "/" not in wanted:
        return f"There is no program {wanted!r} on PATH"
    return f"{wanted} cannot be run" if Path(wanted).expanduser().exists() else f"There is no program {wanted}"


def _interpreter(script: Path) -> list[str]:
    """The first words of a script's command line; none for what is no script.

    `env` is seen through: inside, PATH is another, and its answer might be as well.
    """
    with script.open("rb") as file:
        first = file.read(_SHEBANG_BYTES).split(b"\n")[0]
    if not first.startswith(b"#!"):
        return []
    words = shlex.split(first[2:].decode("utf-8", "replace"))
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if word not in ("-S", "--split-string")]
        found = shutil.which(words[0]) if words else None
        if found is None:
            raise UsageError(
                f"{script} is run by {words[0] if words else 'env'}, which is not on PATH.",
                remedy=f"Install {words[0] if words else 'it'}, or put it on PATH.",
            )
        words[0] = found
    if not words or not Path(words[0]).is_file():
        raise UsageError(f"{script} is run by {words[0] if words else 'nothing'}, which is not there.")
    return words


def _needs(program: Path) -> Iterator[Path]:
    """The file, every file it is a link to, and the installations these lie in."""
    step = program
    for _ in range(_MOST_LINKS):
        yield step
        yield from _installation(step)
        if not step.is_symlink():
            return
        step = step.parent / step.readlink()


def _installation(file: Path) -> Iterator[Path]:
    """The outermost node_modules a file lies in, or the marked folder around the bin/ that holds it."""
    modules = [parent for parent in file.resolve().parents if parent.name == "node_modules"]
    if modules:
        yield modules[-1]
    prefix = file.parent.resolve().parent
    home = Path.home().resolve()
    wide = prefix == home or prefix in home.parents
    if file.parent.name == "bin" and not wide and any(any(prefix.glob(mark)) for mark in _MARKS):
        yield prefix


def first_line_of(program: Program, *arguments: str, remedy: str) -> str:
    """The first line a program prints, such as its version; run in the sandbox, which shows that it starts there.

    Raises:
        UsageError: it fails, or prints nothing.
    """
    said, complaints = HeadAndTail(_MOST_BYTES), HeadAndTail(_MOST_BYTES)
    with temporary_folder("program") as name:
        folder = Path(name)
        confinement = Confinement(writable=(folder,), readable=program.readable)
        line = [*current_sandbox().wrap(confinement), *program.line, *arguments]
        environment = scrubbed_environment(folder, folder / "home")
        try:
            code = run_process(
                line, cwd=folder, env=environment, seconds=_START_SECONDS, output=said.add, errors=complaints.add
            )
        except OSError as error:
            raise UsageError(f"{program.path} cannot be started: {error}.", remedy=remedy) from error
    lines = said.text().strip().splitlines()
    if code != 0 or not lines:
        ended = f"exit code {code}" if code is not None else f"no end within {_START_SECONDS:.0f} s"
        why = [*lines, *complaints.text().strip().splitlines()]
        raise UsageError(f"{program.path} does not start in the sandbox: {why[-1] if why else ended}.", remedy=remedy)
    return lines[0].strip()
