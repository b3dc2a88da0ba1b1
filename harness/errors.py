"""Every way a run can end early: one exception each, and one table that says whose fault it is.

Two families. `HarnessError` ends the command: it is for the person at the keyboard. `AttemptEnded` ends
one attempt with a verdict: it is caught once, at the attempt's border in `attempt.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Status = Literal[
    "faster", "same", "slower", "incorrect", "build_failed", "rejected", "no_patch", "agent_failed", "infra_failed"
]
Blame = Literal["patch", "agent", "harness", "task", "user"]


class HarnessError(Exception):
    """Ends the command with one message that names the thing and the way out.

    Attributes:
        exit_code: the process's exit code; 2 for usage or a bad task, 4 for infrastructure.
        remedy: what the user can do about it, one sentence, or None when the message says it already.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n{self.remedy}" if self.remedy else message


class UsageError(HarnessError):
    """The command line asks for something that is not there."""

    exit_code = 2


class TaskError(HarnessError):
    """The task file, or something it names, is wrong: found before any attempt starts."""

    exit_code = 2


class AdmissionError(HarnessError):
    """The base does not build, fails its own tests, or cannot be timed: no attempt could be judged."""

    exit_code = 2


class StorageError(HarnessError):
    """A folder cannot be written, or the disk is full."""


class InfrastructureError(HarnessError):
    """Something of ours broke (a worker died before candidate code ran, git failed): never the patch's fault."""


class Interrupted(HarnessError):
    """The user pressed Ctrl-C, or the process was asked to end."""

    exit_code = 130


class AttemptEnded(Exception):
    """Ends one attempt with a status and a typed cause.

    Args:
        cause: a short machine-readable word, such as `outside_target_files`; see `ATTEMPT_ENDS`.
        message: one sentence for people, naming the file, workload or element.
    """

    status: ClassVar[Status]

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message


class NoPatch(AttemptEnded):
    """The agent ended and the tree is the base's."""

    status = "no_patch"


class Rejected(AttemptEnded):
    """The patch breaks the rules: it is not timed, or its timing cannot be believed."""

    status = "rejected"


class BuildFailed(AttemptEnded):
    """The task's build commands fail on the patched tree."""

    status = "build_failed"


class Incorrect(AttemptEnded):
    """A test that passes on the base does not pass, or an output is wrong."""

    status = "incorrect"


class AgentFailed(AttemptEnded):
    """The agent crashed or could not be driven, and left nothing that could be judged."""

    status = "agent_failed"


class InfraFailed(AttemptEnded):
    """We could not judge the patch. It counts in no mean."""

    status = "infra_failed"


@dataclass(frozen=True)
class Policy:
    """What an ending means: may it be tried again, and whose fault is it."""

    retry: bool
    blame: Blame


POLICIES: dict[type[Exception], Policy] = {
    UsageError: Policy(retry=False, blame="user"),
    TaskError: Policy(retry=False, blame="task"),
    AdmissionError: Policy(retry=False, blame="task"),
    StorageError: Policy(retry=False, blame="user"),
    InfrastructureError: Policy(retry=True, blame="harness"),
    Interrupted: Policy(retry=False, blame="user"),
    NoPatch: Policy(retry=False, blame="agent"),
    Rejected: Policy(retry=False, blame="patch"),
    BuildFailed: Policy(retry=False, blame="patch"),
    Incorrect: Policy(retry=False, blame="patch"),
    AgentFailed: Policy(retry=False, blame="agent"),
    InfraFailed: Policy(retry=True, blame="harness"),
}


def policy_for(error: Exception) -> Policy:
    """The policy of the nearest class in `POLICIES`; an exception nobody foresaw is ours, and not retried."""
    for kind in type(error).__mro__:
        if kind in POLICIES:
            return POLICIES[kind]
    return Policy(retry=False, blame="harness")
