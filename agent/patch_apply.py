"""Apply a parsed patch to a folder: everything is worked out first, then written, so nothing is half applied."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from agent.patch_format import AddFile, DeleteFile, FileChange, PatchError, UpdateFile, parse_patch
from agent.patch_match import apply_hunks

_MAX_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class PatchSummary:
    """What a patch did, as paths in the folder."""

    added: tuple[str, ...]
    modified: tuple[str, ...]
    deleted: tuple[str, ...]

    def __str__(self) -> str:
        marked = (("A", self.added), ("M", self.modified), ("D", self.deleted))
        return "\n".join(f"{mark} {path}" for mark, paths in marked for path in paths)


def apply_patch(patch: str, root: Path) -> PatchSummary:
    """Read a patch in the "*** Begin Patch" envelope and apply it to the folder `root`.

    Raises:
        PatchError: the patch cannot be read, a hunk does not fit, a path leaves the folder, or a file cannot
            be written. No file has changed then.
    """
    staged = _Staged(root.resolve())
    for change in parse_patch(patch):
        staged.stage(change)
    staged.write()
    return staged.summary()


@dataclass
class _Staged:
    """The folder as it will be: `after` maps real paths to new text, None for a file that goes."""

    root: Path
    after: dict[Path, str | None] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)
    existed: dict[Path, bool] = field(default_factory=dict)
    modes: dict[Path, int] = field(default_factory=dict)

    def stage(self, change: FileChange) -> None:
        path = self._inside(change.path)
        match change:
            case AddFile():
                self._put(path, change.content)
            case DeleteFile():
                self._read(path)
                self.after[path] = None
            case UpdateFile():
                text = apply_hunks(change.path, self._read(path), change.hunks)
                if change.moved_to is None:
                    self._put(path, text)
                else:
                    self._move(path, self._inside(change.moved_to), text)

    def _move(self, source: Path, target: Path, text: str) -> None:
        if source != target and self._is_there(target):
            raise PatchError(f"{self.names[target]}: the move's target exists already")
        self.after[source] = None
        self._put(target, text)
        if (mode := self._mode(source)) is not None:
            self.modes[target] = mode

    def _put(self, path: Path, text: str) -> None:
        if path.is_dir():
            raise PatchError(f"{self.names[path]}: is a folder")
        self.after[path] = text

    def _inside(self, name: str) -> Path:
        """The real path a patch means; refused when it is not a plain path inside the folder."""
        pure = PurePosixPath(name)
        if "\0" in name or pure.is_absolute() or ".." in pure.parts or pure.name == "":
            raise PatchError(f"{name}: a path in a patch is relative to the worktree and has no '..' in it")
        if ".git" in pure.parts:
            raise PatchError(f"{name}: git's own files cannot be patched")
        try:
            real = (self.root / pure).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise PatchError(f"{name}: {error}") from error
        if not real.is_relative_to(self.root):
            raise PatchError(f"{name}: a symbolic link on the way leads out of the worktree")
        if ".git" in real.relative_to(self.root).parts:
            raise PatchError(f"{name}: a symbolic link leads to git's own files")
        self.names.setdefault(real, name)
        self.existed.setdefault(real, real.exists())
        return real

    def _is_there(self, path: Path) -> bool:
        return self.after[path] is not None if path in self.after else path.exists()

    def _mode(self, path: Path) -> int | None:
        return self.modes.get(path) or (stat.S_IMODE(path.stat().st_mode) if path.exists() else None)

    def _read(self, path: Path) -> str:
        name = self.names[path]
        if path in self.after:
            text = self.after[path]
            if text is None:
                raise PatchError(f"{name}: was deleted or moved earlier in this patch")
            return text
        try:
            about = path.stat()
            if not stat.S_ISREG(about.st_mode):
                raise PatchError(f"{name}: is not a plain file")
            if about.st_size > _MAX_FILE_BYTES:
                raise PatchError(f"{name}: {about.st_size} bytes are too many to patch (limit {_MAX_FILE_BYTES})")
            return path.read_bytes().decode("utf-8")
        except FileNotFoundError as error:
            raise PatchError(f"{name}: there is no such file") from error
        except UnicodeDecodeError as error:
            raise PatchError(f"{name}: is not UTF-8 text (byte {error.start})") from error
        except OSError as error:
            raise PatchError(f"{name}: cannot be read ({error.strerror})") from error

    def write(self) -> None:
        """Write every new text beside its place first; only when all are on the disk do they take their places."""
        ready: list[tuple[str, Path]] = []
        made: list[Path] = []
        try:
            for path, text in self.after.items():
                if text is not None:
                    self._make_folders(path.parent, made)
                    ready.append((self._write_beside(path, text), path))
        except (OSError, UnicodeEncodeError) as error:
            for temporary, _ in ready:
                Path(temporary).unlink(missing_ok=True)
            for folder in reversed(made):
                folder.rmdir()
            raise PatchError(f"{self.names[path]}: cannot be written ({error})") from error
        for temporary, path in ready:
            Path(temporary).replace(path)
        for path, text in self.after.items():
            if text is None:
                path.unlink(missing_ok=True)

    def _make_folders(self, folder: Path, made: list[Path]) -> None:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir()
            made.append(one)

    def _write_beside(self, path: Path, text: str) -> str:
        data = text.encode("utf-8")
        handle, temporary = tempfile.mkstemp(prefix=".patch-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            if path in self.modes:
                Path(temporary).chmod(self.modes[path])
            elif path.exists():
                shutil.copymode(path, temporary)
            else:
                # mkstemp makes private files; a new source file is readable like any other.
                Path(temporary).chmod(0o644)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        return temporary

    def summary(self) -> PatchSummary:
        def named(*, before: bool, now: bool) -> tuple[str, ...]:
            return tuple(
                self.names[path]
                for path, text in self.after.items()
                if self.existed[path] is before and (text is not None) is now
            )

        return PatchSummary(
            added=named(before=False, now=True),
            modified=named(before=True, now=True),
            deleted=named(before=True, now=False),
        )
