"""The journal: whole after any crash, and the truth about a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from records import AT, HOSTILE, interval, story, verdict

from harness.errors import HarnessError, StorageError
from harness.events import AgentStep, AttemptStarted, TimingProgress
from harness.journal import Journal, is_being_written, read_events
from harness.run_state import fold


def write(path: Path, *events: object) -> None:
    with Journal(path) as journal:
        for event in events:
            journal.append(event)  # type: ignore[arg-type]


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    events = story(verdict())
    write(tmp_path / "j", *events)
    assert read_events(tmp_path / "j") == [event for event in events if not isinstance(event, TimingProgress)]
    for line in (tmp_path / "j").read_text().splitlines():
        json.loads(line)


def test_torn_at_every_byte_no_complete_event_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, *story(verdict(message="naïve µs ✓"))[:8])
    whole = path.read_bytes()
    ends = [offset for offset in range(len(whole)) if whole[offset : offset + 1] == b"\n"]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        events = read_events(path)
        # An event is complete once its closing brace is there, with or without its newline.
        assert len(events) == sum(end <= cut for end in ends), cut
        fold(events)


def test_appending_after_a_tear_at_every_byte_keeps_the_file_sound(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, *story(verdict())[5:8])
    whole = path.read_bytes()
    more = AttemptStarted(at=AT, attempt="002")
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        before = read_events(path)
        write(path, more)
        assert read_events(path) == [*before, more], cut


def test_a_long_torn_tail_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, AttemptStarted(at=AT, attempt="001"))
    with path.open("ab") as file:
        file.write(b'{"event": "' + b"x" * 300_000)
    write(path, AttemptStarted(at=AT, attempt="002"))
    assert [event.attempt for event in read_events(path)] == ["001", "002"]  # type: ignore[union-attr]


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, *story(verdict()))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:20] + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(HarnessError, match=r"journal\.jsonl:3: "):
        read_events(path)


def test_text_and_numbers_that_json_cannot_hold_are_kept_readable(tmp_path: Path) -> None:
    odd = verdict(message=HOSTILE).model_copy(update={"speedup": interval(2.0, 0.0, float("inf"))})
    write(tmp_path / "j", *story(odd, text=HOSTILE))
    read = fold(read_events(tmp_path / "j")).verdicts[0]
    assert read.speedup == odd.speedup
    assert read.message == HOSTILE.replace("\udc80", "?")
    for line in (tmp_path / "j").read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no/journal\.jsonl: No such file"):
        Journal(tmp_path / "no" / "journal.jsonl")


FILL = """
import resource, signal, sys
from pathlib import Path
from harness.errors import StorageError
from harness.events import AttemptStarted
from harness.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
journal = Journal(Path(sys.argv[1]))
for count in range(1000):
    try:
        journal.append(AttemptStarted(at="now", attempt=f"{count:03d}"))
    except StorageError as error:
        print(count, error)
        break
"""


def test_a_disk_that_fills_up_loses_nothing_written_before(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    ended = subprocess.run([sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=True)
    count, message = ended.stdout.split(maxsplit=1)
    assert str(path) in message and "Free some space" in message
    assert [event.attempt for event in read_events(path)] == [f"{n:03d}" for n in range(int(count))]  # type: ignore[union-attr]
    assert path.read_bytes().endswith(b"}\n")


def test_two_writers_are_refused_and_a_dead_one_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    hold = "import sys, time; from pathlib import Path; from harness.journal import Journal\n"
    hold += "journal = Journal(Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", hold, str(path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline() == b"open\n"
        assert is_being_written(path)
        with pytest.raises(HarnessError, match="another process is writing"):
            Journal(path)
    finally:
        other.kill()
        other.communicate()
    assert not is_being_written(path)
    write(path, AgentStep(at=AT, attempt="001", step=1, tool="shell", detail=""))
    assert len(read_events(path)) == 1
