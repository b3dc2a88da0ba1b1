"""Which tree of an attempt is judged: the one its agent left, or the best it measured before it was cut off.

An agent that submits, or stops by itself, chose what it leaves. One that ran into a limit, or lost its model, was
stopped in the middle of something: what lies in its worktree may be half an edit. Then the best tree that it
measured, with outputs that were right, is what its work had come to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from agent.loop import AgentOutcome
from harness.errors import AttemptEnded, Rejected
from harness.evaluate import Judgement
from harness.git import Repository
from harness.patch import Patch, hold_against_policy, take_diff
from harness.store import AttemptFolder
from harness.verdict import Interval
from harness.whole_file import write_atomic


@dataclass(frozen=True)
class MeasuredTree:
    """A tree as the agent measured it.

    Attributes:
        patch: its difference from the base, which is all that a judge needs.
        speedup: over the shown workloads; advisory.
    """

    patch: Patch
    speedup: Interval


class BestTree:
    """Remembers the best tree that was measured and could be judged.

    Attributes:
        tree: it; None while there is none.
    """

    def __init__(self, target_files: list[str]) -> None:
        self._target_files = target_files
        self.tree: MeasuredTree | None = None

    def offer(self, before: Patch, after: Patch, speedup: Interval) -> None:
        """A tree was measured and its outputs were right.

        Args:
            before: its difference from the base when the measurement began.
            after: the same when it ended; a tree that changed in between was not measured.
            speedup: what came out.
        """
        if before.sha256 != after.sha256 or (self.tree is not None and speedup.estimate <= self.tree.speedup.estimate):
            return
        try:
            hold_against_policy(before, self._target_files)
        except AttemptEnded:
            return
        self.tree = MeasuredTree(before, speedup)


def left_in(repository: Repository, tree: Path) -> Patch | Rejected:
    """What an agent left in its worktree as a patch, or why that is none."""
    try:
        return take_diff(repository, tree)
    except Rejected as end:
        return end


def settle_tree(
    folder: AttemptFolder, left: Patch | Rejected, best: MeasuredTree | None, outcome: AgentOutcome
) -> AgentOutcome:
    """Write down the patch that is judged, and beside it the one that was left where that is another.

    Args:
        folder: the attempt's.
        left: what is in the worktree, or why that is no patch: then none is written of it.
        best: the best tree the agent measured.
        outcome: how the agent ended.

    Returns:
        The outcome, with `tree` saying which of them is judged.

    Raises:
        StorageError: a patch cannot be written.
    """
    if best is None or not _was_cut_off(outcome) or _same(left, best) or best.speedup.estimate <= 1:
        if isinstance(left, Patch):
            write_atomic(folder.patch, left.text)
        return outcome
    if isinstance(left, Patch):
        write_atomic(folder.left_patch, left.text)
    write_atomic(folder.patch, best.patch.text)
    return replace(outcome, tree="best_measured")


def excuse(judgement: Judgement, outcome: AgentOutcome) -> None:
    """Undo a verdict on the best tree of an agent whose model went away, unless it is a win.

    The agent would have gone on; that it could not is no fault of its own, and is not scored as one.
    """
    if outcome.ended == "model_error" and outcome.retryable and judgement.status not in ("faster", "infra_failed"):
        judgement.message = (
            f"{outcome.detail} The best tree by then came out as {judgement.status}: {judgement.message}"
        )
        judgement.status, judgement.cause = "infra_failed", "model_unreachable"


def _same(left: Patch | Rejected, best: MeasuredTree) -> bool:
    return isinstance(left, Patch) and left.sha256 == best.patch.sha256


def _was_cut_off(outcome: AgentOutcome) -> bool:
    return outcome.ended in ("limit", "model_error")
