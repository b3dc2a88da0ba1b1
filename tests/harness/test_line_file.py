"""Small files that several processes append to: nothing is lost to another writer, a crash or a damaged line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import StorageError
from harness.line_file import append_bounded, append_record, read_records
from harness.verdict import Record

ROOT = Path(__file__).resolve().parents[2]


class Note(Record):
    text: str


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "made" / "notes.jsonl"
    notes = [Note(text=text) for text in ("first", "two\nlines", "\u2028 \x1b[31m \udc80")]
    for note in notes:
        append_record(path, note)
    assert [note.text for note in read_records(path, Note)] == ["first", "two\nlines", "\u2028 \x1b[31m ?"]
    assert read_records(tmp_path / "none.jsonl", Note) == []


@pytest.mark.parametrize("cut", [1, 5, 13])
def test_a_line_that_a_crash_cut_off_costs_no_other(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "notes.jsonl"
    append_record(path, Note(text="whole"))
    append_record(path, Note(text="torn"))
    os.truncate(path, path.stat().st_size - cut)
    append_record(path, Note(text="after"))
    assert [note.text for note in read_records(path, Note) if note.text != "torn"] == ["whole", "after"]


def test_lines_of_another_version_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('{"text": "mine"}\n{"words": 3}\n[]\nnot json\n\n{"text": "mine, too"}')
    assert [note.text for note in read_records(path, Note)] == ["mine", "mine, too"]


def test_what_is_bounded_loses_what_the_bound_leaves_out(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    for number in range(10):
        append_bounded(path, Note(text=str(number)), lambda notes: notes[-3:])
    assert [note.text for note in read_records(path, Note)] == ["7", "8", "9"]


def test_writers_side_by_side_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[3:]\n"
        "from harness.line_file import append_bounded; from test_line_file import Note\n"
        "for n in range(20): append_bounded(Path(sys.argv[1]), Note(text=sys.argv[2] + str(n)), lambda a: a[-70:])\n"
    )
    arguments = [sys.executable, "-c", code, str(path)]
    folders = [str(ROOT), str(Path(__file__).parent)]
    writers = [subprocess.Popen([*arguments, name, *folders]) for name in ("a", "b", "c")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert sorted(note.text for note in read_records(path, Note)) == sorted(f"{w}{n}" for w in "abc" for n in range(20))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=str(tmp_path / "file")):
        append_record(tmp_path / "file" / "notes.jsonl", Note(text="x"))
