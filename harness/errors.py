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
Blame = Literal["patch", "agent", "endpoint", "harness", "task", "user"]
# The exit code of what was told to end: 128 + SIGINT, as shells have it.
INTERRUPTED = 130


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

    exit_code = INTERRUPTED


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
    """What an end means.

    Attributes:
        blame: whose fault it is.
        cause: what the verdict calls it where the exception has no cause of its own.
        retries: how often the attempt is made again before the end is reported; every time is in the journal.
        pause_seconds: how long to wait before the first time; four times as long before each one after it.
    """

    blame: Blame
    cause: str = ""
    retries: int = 0
    pause_seconds: float = 2.0

    def pause(self, tries: int) -> float:
        """Seconds to wait after the try number `tries`, from 1."""
        return min(self.pause_seconds * 4.0 ** (tries - 1), LONGEST_PAUSE_SECONDS)


LONGEST_PAUSE_SECONDS = 120.0

# Ends of the command, and ends of an attempt. What an agent or its patch did is never tried again behind its back.
POLICIES: dict[type[Exception], Policy] = {
    UsageError: Policy("user"),
    TaskError: Policy("task"),
    AdmissionError: Policy("task"),
    StorageError: Policy("user"),
    InfrastructureError: Policy("harness", "infrastructure", retries=2),
    Interrupted: Policy("user"),
    NoPatch: Policy("agent"),
    Rejected: Policy("patch"),
    BuildFailed: Policy("patch"),
    Incorrect: Policy("patch"),
    AgentFailed: Policy("agent"),
    InfraFailed: Policy("harness"),
    Exception: Policy("harness", "internal_error"),  # nobody foresaw it: it would come again
}

# `InfraFailed` says by its cause what happened. One that is not here is not tried again: a trusted file that changed
# under the judge, say, will not change back.
INFRA_CAUSES: dict[str, Policy] = {
    "infrastructure": POLICIES[InfrastructureError],
    "lost_node": Policy("harness", retries=2, pause_seconds=1.0),
    # The model's client has tried for its two minutes already, and the agent starts from nothing: once is enough.
    "model_unreachable": Policy("endpoint", retries=1, pause_seconds=20.0),
}

# Ends that say the model's endpoint, key or account does not work, whatever the agent is.
ENDPOINT_CAUSES = frozenset({"model_unreachable", "model_error"})
# So many of them in a row end the run: the rest of the queue would go the same way.
DEAD_ENDPOINT_TRIES = 3


def policy_for(error: Exception) -> Policy:
    """The policy of the nearest class in `POLICIES`, or of its cause."""
    if isinstance(error, InfraFailed):
        return INFRA_CAUSES.get(error.cause, POLICIES[InfraFailed])
    return next(POLICIES[kind] for kind in type(error).__mro__ if kind in POLICIES)


def policy_for_verdict(status: Status, cause: str | None) -> Policy:
    """What to do about an attempt that ended so."""
    kinds = {kind.status: kind for kind in (NoPatch, Rejected, BuildFailed, Incorrect, AgentFailed)}
    if status == "infra_failed":
        return INFRA_CAUSES.get(cause or "", POLICIES[InfraFailed])
    return POLICIES[kinds[status]] if status in kinds else Policy("patch")
