"""Taking a stranger's bundle apart: what `harness.merge.bundle` writes, and nothing else that an archive can hold.

Nothing is run, and nothing is written outside one new folder. The archive is decompressed into a file of bounded size
first. Its headers are read here and not by `tarfile`, whose readers of a dozen extensions have been a way in before
(links, sparse files, endless or negative sizes): a bundle has plain files with plain names, and all else is refused.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydantic import ValidationError

from harness.errors import UsageError
from harness.merge.bundle import BASE_FOLDER, FORMAT, MANIFEST, PATCH, SAMPLES, TASK_FOLDER, VERDICT, Manifest
from harness.text import shortened
from harness.verdict import Verdict

MOST_BYTES = 400_000_000
MOST_FILES = 40_000
MOST_MANIFEST_BYTES = 20_000_000
_PLAIN = (PATCH, SAMPLES, VERDICT)
_BLOCK = 512
_CHUNK = 1 << 20


class _Unfit(Exception):
    """Why an archive is no bundle, one sentence."""


@dataclass(frozen=True)
class Unpacked:
    """A bundle whose files are all there and all have the hashes that its manifest says.

    Attributes:
        folder: where it lies.
        manifest: what is in it.
        verdict: the verdict that was recorded.
        sha256: of the archive.
    """

    folder: Path
    manifest: Manifest
    verdict: Verdict
    sha256: str

    @property
    def task_file(self) -> Path:
        """The task file."""
        return self.folder / self.manifest.task_file

    @property
    def patch(self) -> Path:
        """The patch."""
        return self.folder / PATCH

    @property
    def samples(self) -> Path:
        """The raw samples, which an attempt that was not timed has none of."""
        return self.folder / SAMPLES


def unpack(file: Path, into: Path) -> Unpacked:
    """Unpack a bundle into a folder that is made for it, and check every hash.

    Raises:
        UsageError: the file is not there, is no bundle, or is not whole; what was unpacked by then may be left.
    """
    into = into.resolve()
    if not file.is_file():
        raise UsageError(f"There is no bundle {file}.", remedy="`harness export` makes one.")
    try:
        into.mkdir(mode=0o700)
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        tar = into.with_name(f"{into.name}.tar")
        try:
            _decompress(file, tar)
            with tar.open("rb") as plain:
                manifest = _unpack(plain, into)
        finally:
            tar.unlink(missing_ok=True)
        verdict = Verdict.model_validate_json((into / VERDICT).read_bytes())
    except ValidationError as error:
        raise UsageError(f"{file}: its verdict.json is no verdict ({error.error_count()} mistakes).") from error
    except (_Unfit, OSError) as error:
        raise UsageError(
            f"{file} is not a whole bundle: {shortened(str(error), 300)}",
            remedy="Nothing of it was run. Have it sent again, and compare its sha256 with the sender's.",
        ) from error
    return Unpacked(into, manifest, verdict, digest)


def _decompress(file: Path, to: Path) -> None:
    """Write at most `MOST_BYTES` down; gigabytes of zeros are a few kilobytes in an archive."""
    total = 0
    try:
        with gzip.open(file, "rb") as packed, to.open("xb") as out:
            while chunk := packed.read(_CHUNK):
                total += len(chunk)
                if total > MOST_BYTES:
                    raise _Unfit(f"it holds more than {MOST_BYTES / 1e6:.0f} MB.")
                out.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _Unfit(f"it is no gzip archive, or was cut short ({error}).") from error


@dataclass(frozen=True)
class _Member:
    name: str
    offset: int
    size: int


def _members(tar: BinaryIO) -> Iterator[_Member]:
    """The plain files of an archive, one after the other."""
    end = os.fstat(tar.fileno()).st_size
    at = 0
    while at + _BLOCK <= end:
        tar.seek(at)
        header = tar.read(_BLOCK)
        if not header.strip(b"\0"):
            return
        member = _Member(_name(header), at + _BLOCK, _number(header[124:136]))
        kind = header[156:157]
        if header[257:263] != b"ustar\0" or _number(header[148:156]) != sum(header[:148]) + 256 + sum(header[156:]):
            raise _Unfit(f"the header at byte {at} is damaged.")
        if kind not in (b"0", b"\0"):
            raise _Unfit(f"{member.name} is a link, a folder, a device or an extension: a bundle has plain files only.")
        if member.offset + member.size > end:
            raise _Unfit(f"{member.name} is cut short.")
        yield member
        at = member.offset + -(-member.size // _BLOCK) * _BLOCK
    raise _Unfit("it is cut short.")


def _number(field: bytes) -> int:
    text = field.rstrip(b"\0 ").lstrip(b" ")
    if not text or set(text) - set(b"01234567"):
        raise _Unfit("a header has a number that is none.")
    return int(text, 8)


def _name(header: bytes) -> str:
    """A member's name, if it is a plain path below a folder."""
    raw = [header[345:500].partition(b"\0")[0], header[:100].partition(b"\0")[0]]
    try:
        name = b"/".join(part for part in raw if part).decode()
    except UnicodeDecodeError as error:
        raise _Unfit("a name is not UTF-8.") from error
    return _safe(name)


def _safe(name: str) -> str:
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
        raise _Unfit(f"{name!r} is no path below a folder.")
    if "\\" in name or not name.isprintable():
        raise _Unfit(f"{name!r} has characters that no name here has.")
    return name


def _unpack(tar: BinaryIO, into: Path) -> Manifest:
    members: dict[str, _Member] = {}
    for member in _members(tar):
        if member.name in members:
            raise _Unfit(f"{member.name} is in it twice.")
        members[member.name] = member
        if len(members) > MOST_FILES:
            raise _Unfit(f"it holds more than {MOST_FILES:,} files.")
    manifest = _manifest(tar, members)
    if odd := sorted(members.keys() ^ (manifest.files.keys() | {MANIFEST})):
        raise _Unfit(f"{odd[0]} is in the archive or in its manifest, but not in both.")
    for name, entry in manifest.files.items():
        data = _read(tar, members[name])
        if len(data) != entry.size or hashlib.sha256(data).hexdigest() != entry.sha256:
            raise _Unfit(f"{name} is not what the manifest says: its hash differs.")
        _write(into / name, data, executable=entry.executable)
    for name, target in manifest.links.items():
        _link(into, name, target)
    _require_inside(into, manifest)
    return manifest


def _manifest(tar: BinaryIO, members: dict[str, _Member]) -> Manifest:
    if MANIFEST not in members:
        raise _Unfit(f"it has no {MANIFEST}.")
    if members[MANIFEST].size > MOST_MANIFEST_BYTES:
        raise _Unfit(f"its {MANIFEST} is too large.")
    try:
        manifest = Manifest.model_validate_json(_read(tar, members[MANIFEST]))
    except ValidationError as error:
        raise _Unfit(f"its {MANIFEST} cannot be read: it is damaged, or of another version of harness.") from error
    if manifest.format != FORMAT:
        raise _Unfit(f"it is of format {manifest.format}, and this version reads format {FORMAT}.")
    for name in [*manifest.files, *manifest.links]:
        if name not in _PLAIN and not name.startswith((f"{TASK_FOLDER}/", f"{BASE_FOLDER}/")):
            raise _Unfit(f"{name!r} has no place in a bundle.")
    for needed in (VERDICT, PATCH, manifest.task_file):
        if needed not in manifest.files:
            raise _Unfit(f"it has no {needed!r}.")
    return manifest


def _read(tar: BinaryIO, member: _Member) -> bytes:
    tar.seek(member.offset)
    return tar.read(member.size)


def _write(path: Path, data: bytes, *, executable: bool) -> None:
    """A new file; no link exists yet that could lead it elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)
    path.chmod(0o755 if executable else 0o644)


def _link(into: Path, name: str, target: str) -> None:
    """A link of the base's, which leads to another place in the base."""
    inside = os.path.normpath(PurePosixPath(_safe(name)).parent / target)
    if target.startswith("/") or "\0" in target or PurePosixPath(inside).parts[:1] != (BASE_FOLDER,):
        raise _Unfit(f"the link {name!r} leads out of the base.")
    if not name.startswith(f"{BASE_FOLDER}/"):
        raise _Unfit(f"the link {name!r} is not in the base.")
    path = into / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.resolve() != path.parent:
        raise _Unfit(f"the link {name!r} lies behind another.")
    path.symlink_to(target)


def _require_inside(into: Path, manifest: Manifest) -> None:
    """No link leads out of the base, by way of others neither."""
    for name in manifest.links:
        try:
            end = (into / name).resolve()
        except RuntimeError as error:  # how Python 3.11 and 3.12 say that links go round in a circle
            raise _Unfit(f"the link {name!r} leads nowhere.") from error
        if not end.is_relative_to(into / BASE_FOLDER):
            raise _Unfit(f"the link {name!r} leads out of the base.")
