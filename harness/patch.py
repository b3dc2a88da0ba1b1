"""Taking an agent's diff, and holding it against the task's rules.

A patch is applied whole to a fresh checkout or not at all; what is judged is the difference between that
checkout and the base, so a patch that says one thing and does another gains nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from wcmatch.glob import DOTGLOB, GLOBSTAR, globmatch

from harness.errors import NoPatch, Rejected
from harness.git import GitError, Repository, run_git
from harness.left_tree import unfit_for_a_patch

MAX_PATCH_BYTES = 1_000_000
# Larger than this, a tree's changed files are not even read: their diff would be held in memory and kept on the disk.
MAX_READ_BYTES = 50_000_000
SCRATCH = ".bench_scratch"

# What running and testing a Python package leaves behind: never part of a patch.
_LEFTOVERS = (
    *(SCRATCH, "__pycache__", "*.pyc", ".pytest_cache", ".harness"),
    # A person's checkout has these, and sealing a folder leaves them out of the base as well.
    *(".venv", "*.egg-info", ".mypy_cache", ".ruff_cache"),
)

# Lines of a hunk begin with another character. Git reads sizes as strtoul does: with blanks and a sign before them, and
# whatever behind.
_BINARY = re.compile(rb"^GIT binary patch", re.MULTILINE)
_PACKED = re.compile(rb"^(literal|delta) \s*+\+?([0-9]*)", re.MULTILINE)
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color")
_REGULAR = ("100644", "100755")
_SUBMODULE = "160000"


@dataclass(frozen=True)
class Change:
    """One changed file, as git's raw diff tells it: modes are octal strings, `000000` where there is no file."""

    path: str
    old_mode: str
    new_mode: str
    kind: str


@dataclass(frozen=True)
class Patch:
    """A diff against the base.

    Attributes:
        text: the diff, in git's binary-safe format.
        changes: the files it touches.
        insertions: lines added, over all files.
        deletions: lines removed, over all files.
        binary: files that git takes for binary.
    """

    text: bytes
    changes: list[Change]
    insertions: int
    deletions: int
    binary: list[str]

    @property
    def files(self) -> list[str]:
        """The paths it touches, sorted."""
        return sorted({change.path for change in self.changes})

    @property
    def sha256(self) -> str:
        """The hash that identifies this patch."""
        return hashlib.sha256(self.text).hexdigest()


def take_diff(repository: Repository, work_tree: Path) -> Patch:
    """The difference between a work tree and the base, new files included, leftovers excluded.

    The work tree's own `.git` is not consulted: an agent may have changed what it says.

    Raises:
        Rejected: what was left cannot be a patch: a pipe in a file's place, a repository without a commit, gigabytes.
    """
    exclude = repository.path / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text("".join(f"{name}\n" for name in _LEFTOVERS))
    with repository.index_over(work_tree) as env:
        try:
            run_git(work_tree, "add", "--all", "--intent-to-add", env=env)
            _require_readable(work_tree, _changed(repository, work_tree, env))
            return read_diff(repository, work_tree, env)
        except GitError as error:
            found = unfit_for_a_patch(work_tree, repository.files(), is_leftover)
            if found is None:
                raise
            raise Rejected("not_a_regular_file", found) from error


def read_diff(repository: Repository, folder: Path, env: dict[str, str], *options: str) -> Patch:
    """The difference between the base and what the index in `env` says; with `--cached`, its content alone."""
    text = run_git(folder, *_DIFF, *options, "--binary", "--full-index", repository.commit, env=env)
    numbers = run_git(folder, *_DIFF, *options, "--numstat", "-z", repository.commit, env=env)
    added, removed, binary = _count(numbers)
    changes = _changed(repository, folder, env, *options)
    return Patch(text=text, changes=changes, insertions=added, deletions=removed, binary=binary)


def _changed(repository: Repository, folder: Path, env: dict[str, str], *options: str) -> list[Change]:
    """The changed files, of which git looks at no content for this."""
    return _changes(run_git(folder, *_DIFF, *options, "--raw", "-z", repository.commit, env=env))


def _require_readable(work_tree: Path, changes: list[Change]) -> None:
    sizes: dict[str, int] = {}
    for change in changes:
        with contextlib.suppress(OSError):  # deleted, or gone since: a program may still be at work
            sizes[change.path] = (work_tree / change.path).lstat().st_size
    total = sum(sizes.values())
    if total > MAX_READ_BYTES:
        largest = sorted(sizes, key=lambda path: -sizes[path])
        raise Rejected(
            "too_large",
            f"{_some(largest)}: {total:,} bytes in changed files; a patch has {MAX_PATCH_BYTES:,} at most.",
        )


def _changes(raw: bytes) -> list[Change]:
    """Parse `--raw -z`: `:old new sha sha K`, NUL, path, NUL."""
    fields = raw.decode(errors="surrogateescape").split("\0")
    changes = []
    for head, path in zip(fields[0::2], fields[1::2], strict=False):
        old, new, _, _, kind = head.lstrip(":").split()
        changes.append(Change(path=path, old_mode=old, new_mode=new, kind=kind))
    return changes


def _count(numbers: bytes) -> tuple[int, int, list[str]]:
    """Parse `--numstat -z`: added, tab, removed, tab, path, NUL; `-` for a binary file."""
    added = removed = 0
    binary = []
    for line in numbers.decode(errors="surrogateescape").split("\0"):
        if not line:
            continue
        plus, minus, path = line.split("\t", 2)
        if plus == "-":
            binary.append(path)
        else:
            added, removed = added + int(plus), removed + int(minus)
    return added, removed, binary


def hold_against_policy(patch: Patch, target_files: list[str]) -> None:
    """Check a patch against the rules of the task.

    Raises:
        NoPatch: it changes nothing.
        Rejected: it touches a file it may not, is too large, or holds anything but text in regular files.
    """
    if not patch.changes:
        raise NoPatch("empty", "The tree is the base's: nothing was changed.")
    outside = [path for path in patch.files if not matches(path, target_files)]
    if outside:
        raise Rejected(
            "outside_target_files",
            f"The patch touches {_some(outside)}; only {_some(target_files)} may change.",
        )
    for change in patch.changes:
        modes = [mode for mode in (change.old_mode, change.new_mode) if mode != "000000"]
        if any(mode not in _REGULAR for mode in modes):
            raise Rejected("not_a_regular_file", f"{change.path} would become a link or a submodule.")
        if len(set(modes)) > 1 or (change.kind == "A" and change.new_mode == "100755"):
            raise Rejected("mode_change", f"{change.path} would change its mode to {change.new_mode}.")
        if change.kind == "D":
            raise Rejected("target_deleted", f"{change.path} would be deleted.")
    if patch.binary:
        raise Rejected("binary", f"{_some(patch.binary)}: a patch that cannot be read cannot be reviewed.")
    if len(patch.text) > MAX_PATCH_BYTES:
        raise Rejected("too_large", f"The patch has {len(patch.text):,} bytes; {MAX_PATCH_BYTES:,} is the most.")


def apply(repository: Repository, patch_file: Path, checkout: Path) -> None:
    """Apply a patch file to a fresh checkout, whole or not at all.

    Raises:
        Rejected: it does not apply; it is larger, or packed smaller, than is read; or it names a submodule: that would
            leave no trace in the checkout that is judged.
    """
    _require_bearable(patch_file)
    with repository.index_over(checkout) as env:
        try:
            # Without --reject and without fuzz: a hunk that does not fit leaves every file as it was.
            run_git(checkout, "apply", "--whitespace=nowarn", str(patch_file.resolve()), env=env)
            run_git(checkout, "apply", "--whitespace=nowarn", "--cached", str(patch_file.resolve()), env=env)
        except GitError as error:
            raise Rejected("does_not_apply", f"The patch does not apply to the base: {error.stderr}") from error
        changes = _changed(repository, checkout, env, "--cached")
    submodules = [change.path for change in changes if _SUBMODULE in (change.old_mode, change.new_mode)]
    if submodules:
        raise Rejected("not_a_regular_file", f"{_some(submodules)} would become a submodule.")


def _require_bearable(patch_file: Path) -> None:
    """Look at a patch before git does, which unpacks binary content in memory: megabytes can hold gigabytes."""
    size = patch_file.stat().st_size
    text = patch_file.read_bytes() if size <= MAX_READ_BYTES else b""
    packed = _PACKED.findall(text) if _BINARY.search(text) else []
    # A delta is copies out of the base, each of a few bytes: what they come to is not written in it.
    if any(kind == b"delta" or not digits for kind, digits in packed):
        raise Rejected("binary", "A binary file's change by a delta: a patch that cannot be read cannot be reviewed.")
    size += sum(int(digits) for _, digits in packed)
    if size > MAX_READ_BYTES:
        raise Rejected("too_large", f"The patch has {size:,} bytes, unpacked; {MAX_PATCH_BYTES:,} is the most.")


def matches(path: str, globs: list[str]) -> bool:
    """Whether a path is one of the target files. `*` stays inside a folder, `**` crosses folders."""
    return bool(globmatch(path, globs, flags=GLOBSTAR | DOTGLOB))


def is_leftover(path: str) -> bool:
    """Whether a path is of the kind that running and testing leave behind, and so never part of a patch."""
    parts = path.split("/")
    return any(globmatch(part, list(_LEFTOVERS), flags=DOTGLOB) for part in parts)


def _some(names: list[str]) -> str:
    """At most five names, and how many more there are."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
