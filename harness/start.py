"""Where an attempt's worktree begins: at the base, or with the patch of an attempt before it.

Whatever it begins with, the attempt's own patch is the difference from the base, and so are `measure` and the
verdict. An agent that changes nothing of what it was given has made nothing: the patch has its verdict, and to judge
it again would only give luck another turn.
"""

from __future__ import annotations

from pathlib import Path

from harness.brief import Brief
from harness.errors import InfraFailed, NoPatch, Rejected
from harness.git import Repository
from harness.patch import apply
from harness.store import AttemptFolder

LOST_PARENT = "parent_patch"


def begin_with(brief: Brief | None, folder: AttemptFolder, repository: Repository, tree: Path) -> None:
    """Put the patch that the brief names into a fresh worktree; nothing happens where it names none.

    Args:
        brief: what the attempt is told.
        folder: the attempt's; its parent's lies beside it.
        repository: the judge's.
        tree: the worktree, as the base is.

    Raises:
        InfraFailed: the patch is not there, or does not apply: no fault of the agent's, and it will not pass.
    """
    if brief is None or brief.start_from is None:
        return
    parent = folder.run.attempt(brief.start_from).patch
    way_out = "Start a new run, or add attempts with `harness resume -n`."
    if not parent.is_file():
        raise InfraFailed(
            LOST_PARENT, f"{folder.name} is to begin with the patch of {brief.start_from}: no {parent}. {way_out}"
        )
    try:
        apply(repository, parent, tree)
    except Rejected as error:
        raise InfraFailed(
            LOST_PARENT,
            f"{folder.name} is to begin with the patch of {brief.start_from}, and {parent} does not apply to this "
            f"base: was the target changed since? {error.message} {way_out}",
        ) from error


def require_change(brief: Brief | None, folder: AttemptFolder) -> None:
    """Something must be different from what the worktree began with.

    Raises:
        NoPatch: the patch is that of an attempt which the agent was shown.
    """
    if brief is None or not brief.builds_on:
        return
    made = folder.patch.read_bytes()
    for name in brief.builds_on:
        parent = folder.run.attempt(name).patch
        if not parent.is_file() or parent.read_bytes() != made:
            continue
        if name == brief.start_from:
            raise NoPatch("as_it_began", f"The tree is as it began: the patch of {name}, which has its verdict.")
        raise NoPatch("repeated", f"The patch is that of {name}, to the letter, which has its verdict.")
