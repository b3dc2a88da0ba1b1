"""Running a command in a copy of a repository, confined, with a probe in every Python process that it starts.

Nothing but JSON comes back, and it is data: the processes that wrote it ran the repository's code, which could have
written anything.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

from harness.errors import UsageError
from harness.sandbox import run_confined
from harness.text import duration_text
from harness.their_files import read_theirs

Kind = Literal["none", "sampling", "counting", "recording"]

_PROBES = Path(__file__).resolve().parent / "probe"
_OUTPUT_BYTES = 200_000
_LAST_LINES = 12
_MOST_DOCUMENTS = 2_000
_MOST_BYTES = 256_000_000
_CLOCK_BYTES = 100


@dataclass(frozen=True)
class Probed:
    """How a command ended, and what its processes told.

    Attributes:
        exit_code: None if it was ended at its time limit.
        output: standard output and error, cut in the middle.
        seconds: wall time of the command, by its own shell's clock.
        told: one document for each process.
    """

    exit_code: int | None
    output: str
    seconds: float
    told: list[dict[str, Any]]


def command_line(words: list[str]) -> str:
    """A bash command line: a single word is one already, several are a program and its arguments."""
    return words[0] if len(words) == 1 else shlex.join(words)


def run_probed(
    command: str,
    *,
    checkout: Path,
    scratch: Path,
    kind: Kind,
    seconds: float,
    variables: dict[str, str] | None = None,
) -> Probed:
    """Run a bash command in `checkout` with a probe.

    Args:
        command: the command line; `python` is the one that runs us.
        checkout: the copy; its root, and `src` where there is one, are on the import path.
        scratch: a private folder.
        kind: the probe, `none` for a plain run.
        seconds: wall-clock limit.
        variables: environment variables for the probe.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    told = Path(mkdtemp(prefix="told-", dir=scratch))
    clock = told / "clock"
    roots = [str(root) for root in (checkout, checkout / "src") if root.is_dir()]
    inside = {"PYTHONPATH": ":".join([str(_PROBES), *roots] if kind != "none" else roots)}
    if kind != "none":
        inside |= {"PERF_HARNESS_PROBE": kind, "PERF_HARNESS_PROBE_OUT": str(told)}
        inside |= {"PERF_HARNESS_PROBE_ROOT": str(checkout), **(variables or {})}
    line = f"start=$EPOCHREALTIME; bash -c {shlex.quote(command)}; code=$?; "
    line += f"echo $start $EPOCHREALTIME > {shlex.quote(str(clock))}; exit $code"
    # Frozen for somebody's measurement, it would seem to wait: those wait for it instead.
    ended = run_confined(
        line,
        checkout=checkout,
        scratch=scratch,
        seconds=seconds,
        max_bytes=_OUTPUT_BYTES,
        variables=inside,
        gives_way=False,
    )
    return Probed(ended.exit_code, ended.output, _between(clock, ended.seconds), _documents(told))


def require_success(command: str, ended: Probed, repository: Path, seconds: float) -> None:
    """The command must have come to its end.

    Raises:
        UsageError: it failed, or ran past its limit; gives its exit code and last lines.
    """
    if ended.exit_code == 0:
        return
    how = f"ended with exit code {ended.exit_code}"
    if ended.exit_code is None:
        how = f"was ended at its time limit of {duration_text(seconds)}"
    last = "\n".join(f"  {line}" for line in ended.output.strip().splitlines()[-_LAST_LINES:])
    raise UsageError(
        f"`{command}` {how}, in a copy of {repository}.\n{last or '  (it printed nothing)'}",
        remedy="It runs confined: without network, with this harness's Python and its packages, and it sees of this "
        "machine the copy and the system. What the repository needs must be installed beside the harness.",
    )


def _between(clock: Path, fallback: float) -> float:
    try:
        start, end = (float(word) for word in read_theirs(clock, _CLOCK_BYTES).split())
    except (OSError, ValueError):
        return fallback
    return max(end - start, 0.0)


def _documents(folder: Path) -> list[dict[str, Any]]:
    """What the processes left; what is not a JSON object of a bearable size is not theirs, and is passed over."""
    found: list[dict[str, Any]] = []
    size = 0
    for path in sorted(folder.glob("*.json"))[:_MOST_DOCUMENTS]:
        try:
            content = read_theirs(path, _MOST_BYTES - size)
            size += len(content)
            document = json.loads(content)
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(document, dict):
            found.append(document)
    return found
