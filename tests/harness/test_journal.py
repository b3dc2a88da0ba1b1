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


def test_a_journal_that_was_removed_while_it_is_written_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(AttemptStarted(at=AT, attempt="001"))
        path.unlink()
        with pytest.raises(StorageError, match=r"journal\.jsonl was removed or moved while the run lasted"):
            journal.append(AttemptStarted(at=AT, attempt="002"))


def test_a_journal_that_was_moved_while_it_is_written_stays_whole_in_its_new_place(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with Journal(tmp_path / "run" / "journal.jsonl") as journal:
        journal.append(AttemptStarted(at=AT, attempt="001"))
        (tmp_path / "run").rename(tmp_path / "moved")
        with pytest.raises(StorageError, match="`harness resume` its new place"):
            journal.append(AttemptStarted(at=AT, attempt="002"))
    assert len(read_events(tmp_path / "moved" / "journal.jsonl")) == 1


@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_a_last_line_whose_middle_a_power_cut_took_never_happened(tmp_path: Path, newline: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    events = story(verdict())[5:8]
    write(path, *events)
    whole, last = path.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)
    path.write_bytes(whole + b"\n" + last[:20] + b"\0" * (len(last) - 22) + b"}}" + newline)
    assert read_events(path) == events[:-1]
    more = AttemptStarted(at=AT, attempt="002")
    write(path, more)
    assert read_events(path) == [*events[:-1], more]


def test_a_last_line_of_another_version_is_not_taken_for_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, *story(verdict())[5:8])
    with path.open("ab") as file:
        file.write(b'{"event": "something_new", "at": "2030-01-01T00:00:00+00:00"}\n')
    before = path.read_bytes()
    with pytest.raises(HarnessError, match="another version"):
        read_events(path)
    with Journal(path):
        pass
    assert path.read_bytes() == before
