"""What an attempt leaves in its folder as it goes: used by a later try where it is whole, put aside where it is not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from agent.loop import AgentOutcome
from harness.store import AttemptFolder
from harness.strict_json import strict_json
from harness.verdict import Verdict
from harness.whole_file import make_folder, storage_error, write_atomic

_Outcome: TypeAdapter[AgentOutcome] = TypeAdapter(AgentOutcome)
_TRY = "try-"
_PATCH = "patch_sha256"


def keep_outcome(folder: AttemptFolder, outcome: AgentOutcome) -> None:
    """The agent is done and its patch is in the folder: from here on only the judge's work can be lost.

    One that lost its model is not done: it would have gone on, and if it is tried again, it begins again.

    Raises:
        StorageError: it cannot be written.
    """
    if outcome.ended == "model_error":
        return
    said = _Outcome.dump_python(outcome, mode="json") | {_PATCH: _digest(folder.patch)}
    write_atomic(folder.outcome, strict_json(said, indent=1) + "\n")


def kept_outcome(folder: AttemptFolder) -> AgentOutcome | None:
    """How an agent ended whose patch is there to be judged; None where an agent has to begin.

    A patch that was damaged or edited since is not what the agent made, and must not be judged as that.
    """
    if not folder.patch.is_file():
        return None
    try:
        said = json.loads(folder.outcome.read_bytes())
        made = said.pop(_PATCH, None) if isinstance(said, dict) else None  # older versions did not note it
        if made is not None and made != _digest(folder.patch):
            return None
        return _Outcome.validate_python(said)
    except (OSError, ValueError, RecursionError):
        return None


def _digest(patch: Path) -> str | None:
    """Of a patch's bytes; None where there is none, as of an agent that left nothing."""
    return hashlib.sha256(patch.read_bytes()).hexdigest() if patch.is_file() else None


def keep_verdict(folder: AttemptFolder, verdict: Verdict) -> None:
    """Write an attempt's verdict into its folder, in place of an earlier one.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomic(folder.verdict, strict_json(verdict.model_dump(), indent=2) + "\n")


def kept_verdict(folder: AttemptFolder) -> Verdict | None:
    """The verdict that was written just before the journal could say so; None where there is no whole one."""
    try:
        verdict = Verdict.model_validate_json(folder.verdict.read_bytes())
    except (OSError, ValidationError):
        return None
    return verdict if (verdict.run, verdict.attempt) == (folder.run.name, folder.name) else None


def start_over(folder: AttemptFolder) -> None:
    """Move whatever lies in an attempt's folder into `try-1`, `try-2`, ...: the next try begins in an empty one.

    Raises:
        StorageError: something cannot be moved.
    """
    try:
        # The brief stays: the next try is told what this one was.
        left = [path for path in folder.path.iterdir() if not path.name.startswith(_TRY) and path != folder.brief]
        if not left:
            return
        aside = _next(folder.path)
        make_folder(aside)
        for path in left:
            path.rename(aside / path.name)
    except OSError as error:
        raise storage_error(error, folder.path, "tidy") from error


def tries(folder: AttemptFolder) -> list[AttemptFolder]:
    """The earlier tries of an attempt, oldest first."""
    found = [path for path in folder.path.glob(f"{_TRY}*") if path.name.removeprefix(_TRY).isdigit()]
    return [AttemptFolder(path) for path in sorted(found, key=_number)]


def _next(path: Path) -> Path:
    numbers = [_number(each.path) for each in tries(AttemptFolder(path))]
    return path / f"{_TRY}{max(numbers, default=0) + 1}"


def _number(path: Path) -> int:
    return int(path.name.removeprefix(_TRY))
