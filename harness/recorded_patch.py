"""The patch of a recorded session: the last diff it shows, or its edits made anew on the target's base."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agent.patch_apply import apply_patch
from agent.patch_format import PatchError
from agent.session import Session
from agent.turn_diff import FileDiff
from harness.errors import Rejected
from harness.git import GitError, Repository, run_git
from harness.patch import Patch, apply, is_leftover, take_diff
from harness.temporary import temporary_folder
from harness.text import counted


@dataclass
class RecordedPatch:
    """A patch as it comes out of a recording.

    Attributes:
        text: the diff; empty where there is none.
        files: what it changes, with `insertions` and `deletions` over all of them.
        left_out: files of the recording's diff that are no part of it.
        applies: whether it fits the base; None where that was not tried.
        notes: what a reader should know, a sentence each.
        base: what it was held against, if anything.
    """

    text: bytes = b""
    files: list[str] = field(default_factory=list)
    insertions: int = 0
    deletions: int = 0
    left_out: list[str] = field(default_factory=list)
    applies: bool | None = None
    notes: list[str] = field(default_factory=list)
    base: Repository | None = None


def patch_of(session: Session, beside: Path, base: Repository | None) -> RecordedPatch:
    """The recording's patch: the diff it shows, the one that lies beside it, or its edits made anew on the base.

    Args:
        session: the recording.
        beside: the patch that a trajectory of ours has beside it, if it is there.
        base: the target, where it is present: the patch is held against it.
    """
    found = RecordedPatch(base=base)
    if session.diff is not None:
        _take(found, session.diff)
    elif session.agent is None and beside.is_file():
        _take_file(found, beside)
    elif session.edits and base is not None:
        _make_edits(found, session.edits, base)
        return found
    elif session.edits:
        edits = counted(len(session.edits), "edit")
        found.notes.append(f"The recording holds {edits} and no diff: with --task the patch is made on its base.")
    else:
        found.notes.append("The recording shows no diff and no edit that could be made anew: there is no patch.")
    if found.text and base is not None:
        _hold_against(found, base)
    return found


def _take(found: RecordedPatch, diff: tuple[FileDiff, ...]) -> None:
    for file in diff:
        if is_leftover(file.path):
            found.left_out.append(file.path)
            continue
        lines = file.text.split("\n")
        body = lines[next((n for n, line in enumerate(lines) if line.startswith("@@")), len(lines)) :]
        found.text += file.text.encode("utf-8", "surrogateescape")
        found.files.append(file.path)
        found.insertions += sum(line.startswith("+") for line in body)
        found.deletions += sum(line.startswith("-") for line in body)
    if found.left_out:
        found.notes.append(f"Left out of the patch, as scratch files are: {', '.join(found.left_out)}.")
    if not found.text:
        found.notes.append("Nothing of the recording's diff is left: there is no patch.")


def _take_file(found: RecordedPatch, diff: Path) -> None:
    """A diff as a run of ours left it, counted without its base."""
    found.text = diff.read_bytes()
    with temporary_folder("import") as folder:  # elsewhere: inside of a repository git counts what is below it alone
        try:
            counted_files = run_git(Path(folder), "apply", "--numstat", "-z", str(diff.resolve()))
        except GitError:
            return  # empty, or damaged since: `harness verify` says how
    for line in counted_files.decode("utf-8", "replace").split("\0"):
        added, _, rest = line.partition("\t")
        removed, _, name = rest.partition("\t")
        if name:
            found.files.append(name)
            found.insertions += int(added) if added.isdecimal() else 0  # `-` for a binary file
            found.deletions += int(removed) if removed.isdecimal() else 0


def _hold_against(found: RecordedPatch, base: Repository) -> None:
    """Whether the patch fits the base; if it does, its statistics are those of what it really changes."""
    with temporary_folder("import") as folder:
        checkout, file = Path(folder) / "checkout", Path(folder) / "patch.diff"
        file.write_bytes(found.text)
        base.check_out(checkout)
        try:
            apply(base, file, checkout)
        except Rejected as error:
            found.applies = False
            found.notes.append(error.message)
            return
        _settle(found, take_diff(base, checkout))


def _settle(found: RecordedPatch, patch: Patch) -> None:
    """The patch is what it really changes on the base."""
    found.applies = True
    found.text, found.files = patch.text, patch.files
    found.insertions, found.deletions = patch.insertions, patch.deletions


def _make_edits(found: RecordedPatch, edits: tuple[str, ...], base: Repository) -> None:
    """Make the recorded edits on a checkout of the base; all of them, or there is no patch."""
    with temporary_folder("import") as folder:
        checkout = Path(folder) / "checkout"
        base.check_out(checkout)
        for number, edit in enumerate(edits, 1):
            try:
                apply_patch(edit, checkout)
            except PatchError as error:
                found.applies = False
                found.notes.append(f"Edit {number} of {len(edits)} does not fit the target's base: {error}")
                return
        _settle(found, take_diff(base, checkout))
    made = counted(len(edits), "edit")
    found.notes.append(f"The patch was made from the recording's {made}; what shell commands changed is not in it.")
