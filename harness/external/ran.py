"""How a program of an external agent ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What the sandbox's launcher and the network's bridge end with when the program itself could not be started.
_NOT_STARTED = (125, 126, 127)

Reason = Literal["submitted", "budget", "time"]


@dataclass(frozen=True)
class Ran:
    """How a program ended.

    Attributes:
        exit_code: negative when a signal ended it; None when we did.
        output: what it printed, head and tail; of a program whose lines were read, only its errors.
        why: why we ended it; None when it ended by itself.
    """

    exit_code: int | None
    output: str
    why: Reason | None

    @property
    def last_line(self) -> str:
        """The last line it printed."""
        return next((line.strip() for line in reversed(self.output.splitlines()) if line.strip()), "")


def never_started(ran: Ran, program: str) -> bool:
    """Whether the one line that was printed is the launcher's or the bridge's word that it could not start it."""
    said = ran.output.strip()
    ours = said.startswith(("sandbox: ", "network bridge: ", f"{program}: "))
    return ran.exit_code in _NOT_STARTED and ours and "\n" not in said
