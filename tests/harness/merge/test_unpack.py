"""Hostile bundles: every one is refused with a sentence, and nothing of it lands outside its folder."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest
from merged import Files, with_manifest, write

from harness.errors import UsageError
from harness.merge import unpack as unpacking
from harness.merge.bundle import archive
from harness.merge.unpack import unpack


def refused(tmp_path: Path, data: bytes, words: str) -> None:
    before = {path for path in tmp_path.rglob("*") if "evil" not in path.name}
    with pytest.raises(UsageError, match=words):
        unpack(write(tmp_path, data), tmp_path / "evil")
    assert {path for path in tmp_path.rglob("*") if "evil" not in str(path)} <= before
    assert not (tmp_path / "evil.tar").exists()


def tar_of(members: list[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.USTAR_FORMAT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(raw.getvalue())


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def test_an_honest_one_comes_out_whole(files: Files, tmp_path: Path) -> None:
    found = unpack(write(tmp_path, archive(files)), tmp_path / "good")
    assert found.verdict.status == "faster" and found.manifest.task == "tiny"
    assert found.sha256 == sha256(archive(files)).hexdigest()
    assert (found.folder / "base" / "tiny" / "alias.py").readlink() == Path("core.py")
    for name, data in files.items():
        if name != "manifest.json":
            assert (found.folder / name).read_bytes() == data


NAMES = ["/etc/evil", "../evil2", "task/../../evil2", "task//x", "./x", "task/.", "a\\b", "a\nb", "\x1b[2J", "\u202ex"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere(files: Files, tmp_path: Path, name: str) -> None:
    refused(tmp_path, tar_of([(member(name), b"x")]), r"no path below a folder|has characters that no name here has")
    refused(
        tmp_path.joinpath("again") if tmp_path.joinpath("again").mkdir() is None else tmp_path,  # a fresh place
        with_manifest(files | {name: b"x"}, lambda manifest: None),
        "is not a whole bundle",
    )


@pytest.mark.parametrize("name", [".bashrc", "look", "base", "tasks/x.py"])
def test_files_that_have_no_place_in_a_bundle(files: Files, tmp_path: Path, name: str) -> None:
    refused(tmp_path, with_manifest(files | {name: b"x"}, lambda manifest: None), "has no place in a bundle")


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
        b"S",
        b"x",
        b"L",
    ],
)
def test_anything_but_plain_files(tmp_path: Path, kind: bytes) -> None:
    refused(tmp_path, tar_of([(member("base/x", kind, "/etc/passwd"), b"")]), "plain files only|no path below")


def test_extensions_are_not_read(tmp_path: Path) -> None:
    long = tar_of([(member("base/" + "x/" * 200 + "y"), b"x")], tarfile.PAX_FORMAT)
    refused(tmp_path, long, "plain files only|no path below")


@pytest.mark.parametrize(
    "links",
    [
        {"base/evil": "/etc/passwd"},
        {"base/evil": "../../evil2"},
        {"base/evil": "../task/bench.py"},
        {"task/evil": "../base/README.md"},
        {"base/../evil": "x"},
        {"evil": "base/README.md"},
        {"base/d": "tiny", "base/d/x": "core.py"},
        {"base/loop": "loop2", "base/loop2": "loop"},
        # By its text it stays in the base; by way of the first link it does not.
        {"base/tiny/up": "..", "base/out": "tiny/up/../../evil2"},
        {"base/README.md": "tiny/core.py"},
        {"base/nul": "a\0b"},
    ],
)
def test_links_that_lead_out_of_the_base(files: Files, tmp_path: Path, links: dict[str, str]) -> None:
    data = with_manifest(files, lambda manifest: manifest.update(links=links))
    refused(tmp_path, data, "is not a whole bundle")


def test_a_bomb_is_stopped_before_it_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_BYTES", 5_000_000)
    bomb = gzip.compress(bytes(50_000_000), 9)
    assert len(bomb) < 100_000
    refused(tmp_path, bomb, "holds more than 5 MB")


def test_a_flood_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_FILES", 100)
    refused(tmp_path, archive({f"base/{number}": b"" for number in range(101)}), "more than 100 files")


@pytest.mark.parametrize(
    "size", [b"-0000000001\0", b"\x80" + b"\xff" * 11, b"77777777777\0", b"99999999999\0", b"\0" * 12]
)
def test_sizes_that_are_none(tmp_path: Path, size: bytes) -> None:
    header = bytearray(member("base/x").tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = size
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 256 + sum(header[156:]))
    refused(tmp_path, gzip.compress(bytes(header) + bytes(1024)), "is none|cut short")


def test_what_the_manifest_does_not_say_or_says_otherwise(files: Files, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    refused(
        tmp_path / "1", archive(files | {"task/more.py": b"x"}), "task/more.py is in the archive or in its manifest"
    )
    (tmp_path / "2").mkdir()
    less = {name: data for name, data in files.items() if name != "task/bench.py"}
    refused(tmp_path / "2", archive(less), "task/bench.py is in the archive or in its manifest")
    (tmp_path / "3").mkdir()
    refused(
        tmp_path / "3", archive(files | {"task/bench.py": b"import os\n"}), "task/bench.py is not what the manifest"
    )
    (tmp_path / "4").mkdir()
    refused(tmp_path / "4", archive({"verdict.json": b"{}"}), "no manifest.json")
    (tmp_path / "5").mkdir()
    twice = [(member("base/x"), b"1"), (member("base/x"), b"2")]
    refused(tmp_path / "5", tar_of(twice), "base/x is in it twice")


def test_a_manifest_or_verdict_that_is_none(files: Files, tmp_path: Path) -> None:
    for number, bad in enumerate((b"[" * 100_000, b"{}", b"\xff", json.dumps({"format": 99}).encode())):
        (tmp_path / str(number)).mkdir()
        refused(tmp_path / str(number), archive(files | {"manifest.json": bad}), "manifest.json cannot be read")
    (tmp_path / "format").mkdir()
    refused(tmp_path / "format", with_manifest(files, lambda m: m.update(format=2)), "format 2")
    (tmp_path / "task").mkdir()
    refused(
        tmp_path / "task", with_manifest(files, lambda m: m.update(task_file="/etc/passwd")), "it has no '/etc/passwd'"
    )
    (tmp_path / "verdict").mkdir()
    refused(tmp_path / "verdict", with_manifest(files | {"verdict.json": b"[" * 9999}, lambda m: None), "is no verdict")


@pytest.mark.parametrize("cut", [0, 1, 100, 0.5, -1])
def test_one_that_was_cut_short(files: Files, tmp_path: Path, cut: float) -> None:
    whole = archive(files)
    part = whole[: int(len(whole) * cut)] if isinstance(cut, float) else whole[:cut]
    refused(tmp_path, part, "is not a whole bundle")


def test_what_is_no_archive_or_not_there(tmp_path: Path) -> None:
    refused(tmp_path, b"hello", "no gzip archive")
    with pytest.raises(UsageError, match="There is no bundle"):
        unpack(tmp_path / "nowhere", tmp_path / "x")
    os.mkfifo(tmp_path / "pipe")  # to open one would wait for ever
    for none in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UsageError, match="There is no bundle"):
            unpack(none, tmp_path / "y")


def test_random_damage_is_always_a_sentence(files: Files, tmp_path: Path) -> None:
    """A byte at a time of the archive's headers, and of the compressed whole."""
    import random

    rng = random.Random(7)
    raw = gzip.decompress(archive(files))
    for number in range(150):
        damaged = bytearray(raw)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(512 * 6)] = rng.randrange(256)
        if bytes(damaged) == raw:
            continue
        try:
            unpack(write(tmp_path, gzip.compress(bytes(damaged), 1)), tmp_path / f"evil{number}")
        except UsageError:
            continue
        # Only bytes that nobody reads may differ: an owner, a time.
        assert (tmp_path / f"evil{number}" / "verdict.json").read_bytes() == files["verdict.json"]
