"""`harness export`: an attempt as it is handed to whoever may merge it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import Rejected, UsageError
from harness.merge.base import OldBase, old_base
from harness.merge.bundle import Bundle, make_bundle
from harness.merge.commit import Author, NewCommit, as_mail, make_branch, require_free
from harness.merge.landing import landing
from harness.merge.summary import Summary, commit_message, pull_request, summarise
from harness.patch import Patch, apply, take_diff
from harness.report.material import AttemptMaterial, read_run
from harness.show import patch_file
from harness.store import AttemptFolder
from harness.temporary import temporary_folder
from harness.verdict import Verdict
from harness.whole_file import make_folder, write_atomic

BUNDLE_NAME = "evidence.tar.gz"
DESCRIPTION_NAME = "pull_request.md"
_HIDDEN = {"included": True, "left_out": False, "none": None}


@dataclass(frozen=True)
class ExportOptions:
    """What `harness export` was asked for; see its help."""

    folder: Path | None = None
    task: str | None = None
    branch: str | None = None
    repo: Path | None = None
    author: str | None = None
    force: bool = False
    hidden_tests: bool = True


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: where.
        patch, description, bundle: the three files.
        summary: what a reviewer is told.
        branch: the branch that was made, its commit, its repository and the commit it starts from.
        made: the bundle.
    """

    folder: Path
    patch: Path
    description: Path
    bundle: Path
    summary: Summary
    branch: tuple[str, str, Path, str] | None
    made: Bundle

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        names = ("name", "commit", "repository", "base")
        branch = dict(zip(names, map(str, self.branch), strict=True)) if self.branch else None
        return {
            "run": self.summary.run,
            "attempt": self.summary.attempt,
            "status": self.summary.verdict.status,
            "patch": str(self.patch),
            "pull_request": str(self.description),
            "bundle": str(self.bundle),
            "bundle_sha256": self.made.sha256,
            "hidden_tests": self.made.manifest.hidden_tests,
            "base": self.made.manifest.base,
            "apply": self.summary.apply,
            "reproduce": self.summary.reproduce,
            "branch": branch,
            "names_home": self.made.telling,
        }


def export_attempt(folder: AttemptFolder, options: ExportOptions) -> Exported:
    """Write the patch for `git am`, the description and the evidence, and make the branch where one is asked for.

    Raises:
        UsageError: the attempt is no win and that was not put up with, its target is not what it was, or the branch
            cannot be made. Nothing is written then.
    """
    author = Author.parse(options.author)
    if options.repo is not None and options.branch is None:
        raise UsageError("--repo says where a branch is made.", remedy="Name the branch with --branch.")
    run = read_run(folder.run)
    attempt = next((each for each in run.attempts if each.name == folder.name), None)
    if run.state.started is None and attempt is not None and attempt.verdict is not None:
        raise UsageError(
            f"{folder.run.name}/{folder.name} was kept without its run's journal, which says what it is a patch of.",
            remedy=f"Judge its patch: harness verify {folder.patch} --task TASK. What that leaves can be exported.",
        )
    if run.state.started is None or attempt is None:
        raise UsageError(f"{folder.run.name}/{folder.name} never started: there is nothing to export.")
    verdict = _require_win(attempt, force=options.force)
    with temporary_folder("export") as scratch:
        base = old_base(run.state.started, options.task, Path(scratch) / "base.git")
        patch = _patch(folder, verdict, base, Path(scratch))
        lands = None
        if options.branch is not None:
            lands = landing(base, patch, options.repo)
            require_free(lands[0], options.branch)
        made = make_bundle(folder, verdict, base, patch.text, hidden_tests=options.hidden_tests)
        summary = summarise(
            attempt,
            verdict,
            base,
            patch.text,
            patch_name=f"0001-{verdict.task}.patch",
            bundle=(BUNDLE_NAME, made.sha256, _HIDDEN[made.manifest.hidden_tests]),
        )
        diff = Path(scratch) / "patch.diff"
        diff.write_bytes(patch.text)
        new = NewCommit(diff, summary.prefix, commit_message(summary), author, summary.unix_time)
        target = options.folder or Path(f"export-{folder.run.name}-{folder.name}")
        make_folder(target, "-o")
        branch = None
        if lands is not None and options.branch is not None:
            home, start = lands
            commit = make_branch(home, start, options.branch, replace(new, prefix=home.prefix))
            branch = (options.branch, commit, home.root, start)
        files = (target / summary.patch_name, target / DESCRIPTION_NAME, target / BUNDLE_NAME)
        write_atomic(files[0], as_mail(base.repository, new))
        write_atomic(files[1], pull_request(summary))
        write_atomic(files[2], made.data)
    return Exported(target, *files, summary, branch, made)


def _require_win(attempt: AttemptMaterial, *, force: bool) -> Verdict:
    name = f"{attempt.folder.run.name}/{attempt.name}"
    verdict = attempt.verdict
    if verdict is None:
        raise UsageError(f"{name} has no verdict yet.", remedy="Wait for the run, or `harness resume` it.")
    if verdict.status != "faster" and not force:
        cause = f" ({verdict.cause.replace('_', ' ')})" if verdict.cause else ""
        raise UsageError(
            f"{name} is {verdict.status.replace('_', ' ')}{cause}, not faster: {verdict.message}",
            remedy="--force exports it all the same, and the commit message and the description say what it is.",
        )
    return verdict


def _patch(folder: AttemptFolder, verdict: Verdict, base: OldBase, scratch: Path) -> Patch:
    """The patch as it changes the base: exactly the one that was judged."""
    name = f"{folder.run.name}/{folder.name}"
    file = patch_file(verdict, folder)
    if file is None or not file.resolve().is_relative_to(folder.run.path.resolve()):
        raise UsageError(f"{name} has no patch: there is nothing to export.")
    checkout = scratch / "checkout"
    base.repository.check_out(checkout)
    try:
        apply(base.repository, file, checkout)
    except Rejected as error:
        raise UsageError(
            f"{file}: {error.message}", remedy="Only a patch that applies to its base is exported."
        ) from error
    patch = take_diff(base.repository, checkout)
    if not patch.changes:
        raise UsageError(f"{name} changes nothing: there is nothing to export.")
    if verdict.patch is not None and verdict.patch.sha256 != patch.sha256:
        raise UsageError(
            f"{file} is not the patch that was judged ({patch.sha256[:12]}, judged {verdict.patch.sha256[:12]}).",
            remedy="It was changed since: judge it again with `harness verify`.",
        )
    return patch
