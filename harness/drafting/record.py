"""Seeing a function at work: a command, an expression or the repository's own tests run with a recording probe."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.drafting.function import Function
from harness.drafting.seen import RecordedCall
from harness.errors import UsageError
from harness.probing import Probed, require_success, run_probed
from harness.text import printable

_MOST_MENTIONS = 12
_CALLER = """\
import importlib
import sys

module = importlib.import_module({module!r})
names = dict(vars(module))
for each in ("math", "random"):
    names.setdefault(each, importlib.import_module(each))
for each, short in (("numpy", "np"), ("torch", "torch")):
    if short in {call!r}:
        names.setdefault(short, importlib.import_module(each))
if {lazy!r} == "generator":
    list(eval({call!r}, names))
elif {lazy!r} == "coroutine":
    import asyncio

    asyncio.run(eval({call!r}, names))
else:
    eval({call!r}, names)
"""


@dataclass(frozen=True)
class Evidence:
    """What was seen.

    Attributes:
        calls: of the function, in order.
        how: what was run, in words.
        beside: calls by the repository's tests, where something else is the evidence: small ones, most often.
    """

    calls: list[RecordedCall]
    how: str
    beside: tuple[RecordedCall, ...] = ()


@dataclass(frozen=True)
class Recording:
    """Where and how long to look.

    Attributes:
        repository: as the user named it, for messages.
        checkout: the built copy.
        scratch: a private folder.
        most: how many calls are described.
        seconds: wall-clock limit of a command.
        say: told what went otherwise than hoped.
    """

    repository: Path
    checkout: Path
    scratch: Path
    most: int
    seconds: float
    say: Callable[[str], None]

    def command(self, function: Function, command: str) -> Evidence:
        """Run a command; it must succeed and call the function.

        Raises:
            UsageError: it does not.
        """
        ended = self._run(function, command)
        require_success(command, ended, self.repository, self.seconds)
        return Evidence(self._calls(function, command, ended), f"`{command}`")

    def expression(self, function: Function, call: str) -> Evidence:
        """Evaluate a call in the function's own module.

        Raises:
            UsageError: it fails, or calls something else.
        """
        try:
            compile(call, "--call", "eval")
        except SyntaxError as error:
            raise UsageError(f"--call {call}: not an expression of Python ({error.msg}).") from error
        lazy = "generator" if function.is_generator else "coroutine" if function.is_async else ""
        script = self.scratch / "call.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(_CALLER.format(module=function.module, call=call, lazy=lazy), encoding="utf-8")
        line = f"python {shlex.quote(str(script))}"
        ended = self._run(function, line)
        require_success(call, ended, self.repository, self.seconds)
        return Evidence(self._calls(function, call, ended), f"`{call}`")

    def tests(self, function: Function, files: list[str]) -> Evidence | None:
        """Run test files; None where they never call the function. Failing ones have called it all the same."""
        line = f"python -m pytest -q -p no:cacheprovider {' '.join(map(shlex.quote, files))}"
        ended = self._run(function, line)
        calls = _read(ended)
        if not calls and ended.exit_code:
            self.say(f"  `{line}` ended with exit code {ended.exit_code}: " + "".join(ended.output.splitlines()[-1:]))
        return Evidence(calls, f"its tests ({', '.join(files)})") if calls else None

    def _run(self, function: Function, command: str) -> Probed:
        where = {
            "file": str(self.checkout / function.file),
            "first": function.first,
            "last": function.last,
            "name": function.name,
        }
        variables = {"PERF_HARNESS_PROBE_FUNCTION": json.dumps(where), "PERF_HARNESS_PROBE_CALLS": str(self.most)}
        return run_probed(
            command,
            checkout=self.checkout,
            scratch=self.scratch,
            kind="recording",
            seconds=self.seconds,
            variables=variables,
        )

    def _calls(self, function: Function, command: str, ended: Probed) -> list[RecordedCall]:
        calls = _read(ended)
        if not calls:
            hint = ""
            if function.decorators:
                hint = f" It is decorated with @{function.decorators[0]}, which may keep Python from running it."
            raise UsageError(
                f"`{printable(command)}` ran, and {function.module}.{function.name} ({function.file}:{function.first}) "
                f"was not called to its end.{hint}",
                remedy="Give a command that calls it with --trace, or a call with --call "
                f"'{function.name}(...)'; is the repository's own copy imported, and not an installed one?",
            )
        return calls


def _read(ended: Probed) -> list[RecordedCall]:
    try:
        return [
            RecordedCall.model_validate(call)
            for document in ended.told
            for call in document.get("calls", [])
            if isinstance(document.get("calls"), list)
        ]
    except ValidationError as error:
        raise UsageError(f"What was recorded of the function cannot be read: {error}") from error


def mentions(root: Path, name: str) -> list[str]:
    """Test files (as pytest names them) that mention a function, relative to the root."""
    found = []
    for path in sorted({*root.rglob("test_*.py"), *root.rglob("*_test.py")}):
        if path.is_file() and name in path.read_text(encoding="utf-8", errors="replace"):
            found.append(path.relative_to(root).as_posix())
    return found[:_MOST_MENTIONS]
