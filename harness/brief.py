"""What a search strategy tells one attempt: where it begins, and what of the attempts before it the agent is shown.

A brief is decided once, when the attempt's slot is started, and lies in the attempt's folder from then on: whoever
resumes the run, or tries the attempt again, reads it there. Runs of older versions have none; their attempts began
afresh, which is what `Brief()` says.
"""

from __future__ import annotations

from pydantic import Field, ValidationError

from harness.errors import UsageError
from harness.store import AttemptFolder
from harness.strict_json import strict_json
from harness.verdict import Record
from harness.whole_file import storage_error, write_atomic


class Brief(Record):
    """What one attempt is told.

    Attributes:
        strategy: the name of the strategy that decided.
        kind: `fresh` begins from nothing, `refine` goes on from a parent, `crossover` brings two together.
        parents: the attempts whose work the prompt shows in full, in the order used.
        start_from: the attempt whose patch the worktree begins with; None for the base. The attempt's own patch is
            the difference from the base all the same.
        island: the island that an evolving strategy counts the attempt to.
        ledger: attempts whose results the prompt lists in a line each.
        hints: people's words.
        shown: what the prompt says of all that, as Markdown; nothing of it is held out. See `harness.feedback`.
    """

    strategy: str = "best-of-n"
    kind: str = "fresh"
    parents: list[str] = Field(default_factory=list)
    start_from: str | None = None
    island: int | None = None
    ledger: list[str] = Field(default_factory=list)
    hints: list[str] = Field(default_factory=list)
    shown: str = ""

    @property
    def builds_on(self) -> list[str]:
        """The attempts whose patches the agent gets to see, in the worktree or in the prompt."""
        start = [self.start_from] if self.start_from is not None else []
        return list(dict.fromkeys([*start, *self.parents]))


def write_brief(folder: AttemptFolder, brief: Brief) -> None:
    """Write down what an attempt is told, whole.

    Raises:
        StorageError: it cannot be written.
    """
    folder.create()
    write_atomic(folder.brief, strict_json(brief.model_dump(mode="json"), indent=1) + "\n")


def read_brief(folder: AttemptFolder) -> Brief | None:
    """What an attempt was told; None where nobody wrote it down.

    Raises:
        UsageError: this version cannot read it.
        StorageError: the file cannot be read.
    """
    try:
        return Brief.model_validate_json(folder.brief.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(error, folder.brief, "read") from error
    except ValidationError as error:
        raise UsageError(
            f"{folder.brief}: it was edited or damaged, or comes from another version of the harness.",
            remedy="Move it away; what the attempt is told is then decided anew.",
        ) from error
