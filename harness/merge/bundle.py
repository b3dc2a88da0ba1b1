"""The evidence bundle: one archive with all that a verdict rests on, the same bytes whoever makes it wherever.

    manifest.json      what this is, and size and SHA-256 of every other file
    verdict.json       the verdict, without paths of the machine it was made on
    samples.json       every raw sample
    model_patch.diff   the patch that was judged
    task/              the task file with its paths made to fit, the bench, the hidden tests
    base/              the target's base, where it is small enough; otherwise the task file pins it

Plain files only, names sorted, no times, no owners. `harness.merge.unpack` reads nothing else.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness import __version__
from harness.errors import UsageError
from harness.merge.base import OldBase
from harness.merge.task_files import task_files
from harness.store import AttemptFolder
from harness.strict_json import strict_json
from harness.temporary import temporary_folder
from harness.verdict import Record, Verdict

FORMAT = 1
MANIFEST, VERDICT, SAMPLES, PATCH = "manifest.json", "verdict.json", "samples.json", "model_patch.diff"
TASK_FOLDER, BASE_FOLDER = "task", "base"
MOST_BASE_BYTES = 50_000_000
MOST_BASE_FILES = 20_000


class Entry(Record):
    """A file of the bundle."""

    sha256: str
    size: int
    executable: bool = False


class Manifest(Record):
    """What a bundle is.

    Attributes:
        format: of the bundle.
        run, attempt, task: what it is the evidence of.
        task_file: the task file in it.
        base: `included`, or `pinned` where the task file says from where it can be had.
        base_commit, base_tree: of the sealed base.
        source: where the base is from, for people.
        hidden_tests: whether they are in it; `none` where the task has none.
        patch_sha256: of the patch.
        links: symbolic links of the base, and what they point to.
        files: every other file.
    """

    format: int = FORMAT
    run: str
    attempt: str
    task: str
    task_file: str
    base: Literal["included", "pinned"]
    base_commit: str
    base_tree: str
    source: str
    hidden_tests: Literal["included", "left_out", "none"]
    patch_sha256: str
    harness_version: str = __version__
    links: dict[str, str]
    files: dict[str, Entry]


@dataclass
class Contents:
    """The files of a bundle under construction: name -> content."""

    files: dict[str, bytes] = field(default_factory=dict)
    executable: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """A bundle that was made.

    Attributes:
        data: the archive.
        manifest: what is in it.
        telling: its files that name this user's home folder: whoever makes it public should know.
    """

    data: bytes
    manifest: Manifest
    telling: list[str]

    @property
    def sha256(self) -> str:
        """The archive's hash."""
        return hashlib.sha256(self.data).hexdigest()


def make_bundle(folder: AttemptFolder, verdict: Verdict, base: OldBase, diff: bytes, *, hidden_tests: bool) -> Bundle:
    """Put the evidence of an attempt together.

    Args:
        folder: the attempt's.
        verdict: its verdict.
        base: its base.
        diff: the patch.
        hidden_tests: whether the hidden tests go in.

    Raises:
        UsageError: something that a verdict rests on cannot be put into a bundle.
    """
    made = Contents()
    included = add_base(base, made)
    tests = "none" if base.loaded.hidden_tests is None else "included" if hidden_tests else "left_out"
    source = f"../{BASE_FOLDER}" if included else None
    task_file, files = task_files(base.loaded, source, hidden_tests=hidden_tests)
    made.files |= {f"{TASK_FOLDER}/{name}": data for name, data in files.items()}
    made.files[PATCH] = diff
    made.files[VERDICT] = _without_paths(strict_json(verdict.model_dump(), indent=2) + "\n", base, folder).encode()
    if folder.samples.is_file():
        made.files[SAMPLES] = folder.samples.read_bytes()
    manifest = Manifest(
        run=folder.run.name,
        attempt=folder.name,
        task=base.loaded.task.name,
        task_file=f"{TASK_FOLDER}/{task_file}",
        base="included" if included else "pinned",
        base_commit=base.repository.commit,
        base_tree=base.repository.tree,
        source=base.words,
        hidden_tests=tests,
        patch_sha256=hashlib.sha256(diff).hexdigest(),
        links=dict(sorted(made.links.items())),
        files={
            name: Entry(sha256=hashlib.sha256(data).hexdigest(), size=len(data), executable=name in made.executable)
            for name, data in sorted(made.files.items())
        },
    )
    home = os.fsencode(Path.home())
    telling = [name for name, data in sorted(made.files.items()) if len(home) > 1 and home in data]
    made.files[MANIFEST] = (strict_json(manifest.model_dump(), indent=1) + "\n").encode()
    return Bundle(archive(made.files), manifest, telling)


def archive(files: dict[str, bytes]) -> bytes:
    """A compressed archive of plain files that says nothing of who made it, or when.

    Raises:
        ValueError: a name is too long for the format.
    """
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as tar:
        for name, data in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)


def add_base(base: OldBase, into: Contents) -> bool:
    """Put the base's files in; False where it is too large or odd for that and can be had from elsewhere.

    Raises:
        UsageError: it cannot be put in, and cannot be had from elsewhere either.
    """
    found = Contents()
    with temporary_folder("base") as folder:
        checkout = Path(folder) / "base"
        base.repository.check_out(checkout)
        problem = _collect(checkout, base.repository.files(), found)
    if problem is None:
        into.files |= found.files
        into.executable |= found.executable
        into.links |= found.links
        return True
    source = base.loaded.task.source
    if source.pypi is not None or (source.git is not None and "://" in source.git):
        return False
    raise UsageError(
        f"The base of {base.loaded.file} cannot be put into a bundle: {problem}",
        remedy="Point the task's source to a git URL or a PyPI version that others can reach, and run it again.",
    )


def _collect(checkout: Path, names: list[str], into: Contents) -> str | None:
    """Read a checkout's files; a sentence where that does not go."""
    if len(names) > MOST_BASE_FILES:
        return f"it has {len(names):,} files, and {MOST_BASE_FILES:,} is the most."
    total = 0
    for name in names:
        path, member = checkout / name, f"{BASE_FOLDER}/{name}"
        if path.is_symlink():
            target = os.readlink(path)  # noqa: PTH115 - as it is, not as a path
            inside = os.path.normpath(Path(name).parent / target)
            if target.startswith("/") or inside.startswith(".."):
                return f"{name} is a link that leads out of it."
            into.links[member] = target
            continue
        try:
            tarfile.TarInfo(member).tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")
        except (ValueError, UnicodeError):
            return f"the name of {name!r} is too long for the archive, or not UTF-8."
        total += path.stat().st_size
        if total > MOST_BASE_BYTES:
            return f"it is larger than {MOST_BASE_BYTES / 1e6:.0f} MB."
        into.files[member] = path.read_bytes()
        if path.stat().st_mode & 0o100:
            into.executable.add(member)
    return None


def _without_paths(text: str, base: OldBase, folder: AttemptFolder) -> str:
    """The record without names of this machine's folders, the longest first."""
    known = {
        str(base.loaded.file.parent): "TASK",
        str(folder.run.path.resolve()): "RUN",
        str(Path.cwd()): ".",
        tempfile.gettempdir(): "TMP",
        str(Path.home()): "~",
    }
    for path, name in sorted(known.items(), key=lambda each: -len(each[0])):
        if len(path) > 1:
            text = text.replace(path, name)
    return text
