"""Following a run from outside: a real journal, written by a process that is killed, finishes, or is half way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from command_line import harness
from records import story, verdict

from harness.errors import HarnessError, StorageError
from harness.events import RunFinished
from harness.journal import Journal, encode_event
from harness.watch import Tail, follow


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    first, second = (encode_event(event) + "\n" for event in story(verdict())[:2])
    journal.write_text(first + second[:20])
    tail = Tail(journal)
    assert [event.event for event in tail.read()] == ["run_started"]
    assert tail.read() == []
    with journal.open("a") as file:
        file.write(second[20:])
    assert [event.event for event in tail.read()] == ["admission_step"]


def test_follow_sees_what_comes_and_ends_with_the_run(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    events = [event for event in story(verdict()) if event.event != "timing_progress"]
    journal = Journal(path)
    journal.append(events[0])

    def write() -> None:
        for event in events[1:]:
            time.sleep(0.02)
            journal.append(event)
        journal.close()

    writer = threading.Thread(target=write)
    writer.start()
    seen = list(follow(path, poll_seconds=0.01))
    writer.join()
    assert [event.event for event in seen] == [event.event for event in events]
    assert isinstance(seen[-1], RunFinished)


def test_follow_ends_when_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    line = encode_event(story(verdict())[0])
    code = f"""
import sys, time
from pathlib import Path
from harness.journal import Journal
from harness.events import EventAdapter
journal = Journal(Path({str(path)!r}))
journal.append(EventAdapter.validate_json(sys.argv[1]))
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code, line], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
        threading.Timer(0.2, writer.kill).start()
        seen = list(follow(path, poll_seconds=0.02))
    assert [event.event for event in seen] == ["run_started"]


def test_a_journal_of_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(encode_event(story(verdict())[0]) + '\n{"event": "from_the_future"}\n')
    with pytest.raises(HarnessError, match=r"journal\.jsonl:2: .*not an event"):
        Tail(path).read()


def test_a_folder_of_kept_verdicts_says_what_reads_it(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"There is no journal .*\n.*`harness leaderboard`, `show`"):
        list(follow(tmp_path / "journal.jsonl"))


@pytest.mark.parametrize(
    ("planned", "way"), [(True, "`harness resume killed` goes on with it"), (False, "`harness list`")]
)
def test_whoever_watched_a_run_that_was_killed_is_told_how_it_goes_on(tmp_path: Path, planned: bool, way: str) -> None:
    folder = tmp_path / "runs" / "killed"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text(encode_event(story(verdict())[0]) + "\n")
    if planned:
        (folder / "run.json").write_text("{}")
    ended = harness(tmp_path, "watch", "killed")
    assert ended.returncode == 4 and way in ended.stderr
