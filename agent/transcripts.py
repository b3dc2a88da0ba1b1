"""Read a session that somebody recorded, whatever wrote it: told apart by content, never by a file's name."""

from __future__ import annotations

import codecs
import re
from dataclasses import replace
from pathlib import Path

from agent import codex_events, codex_rollout
from agent.codex_transcript import is_transcript, read_transcript
from agent.json_lines import read_json_lines
from agent.session import Session, TranscriptError
from agent.trajectory import Ended, TrajectoryError, read_back

MAX_BYTES = 256 * 1024 * 1024
READS = (
    "It reads a plain-text transcript of `codex exec`, the events of `codex exec --json`, a session file of Codex "
    "(rollout-*.jsonl below its home folder's sessions/), and a trajectory.jsonl of ours."
)
OURS = "a trajectory of ours"
_STAMPED = re.compile(r"\s*\[\d{4}-\d\d-\d\dT[^\]\n]*\] OpenAI Codex v")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def read_session(path: Path) -> Session:
    """Read a recorded session.

    Raises:
        TranscriptError: the file cannot be read, is no recorded session, or holds nothing; says what can be read.
    """
    text, notes = _text_of(path)
    session = read_transcript(path, text) if is_transcript(text) else _read_json(path, text)
    if not session.turns:
        raise TranscriptError(f"{path}: {session.form}, but no answer of a model is in it: nothing to import.")
    return replace(session, notes=(*notes, *session.notes))


def _read_json(path: Path, text: str) -> Session:
    lines = read_json_lines(text)
    first = lines.objects[0] if lines.objects else {}
    if any(codex_events.is_event(line) for line in lines.objects[:20]):
        return codex_events.read_events(lines)
    if first.get("event") == "run_started":
        raise TranscriptError(f"{path}: a run's journal; the session is in its attempts' trajectory.jsonl.")
    if "event" in first:
        return _read_ours(path)
    if codex_rollout.is_rollout(first):
        return codex_rollout.read_rollout(lines)
    if {"format", "task", "base_tree"} <= first.keys():
        raise TranscriptError(
            f"{path}: a task's recorded session, which is played and not imported: "
            "name it as `recorded` in a task file, and `harness run TASK --agent replay` plays it."
        )
    if _STAMPED.match(text):
        raise TranscriptError(
            f"{path}: a transcript of an old Codex, with a time before every heading, which this version cannot read. "
            "Its session file (rollout-*.jsonl below its home folder's sessions/) holds the same, and is read."
        )
    raise TranscriptError(f"{path}: not a recorded session. {READS}")


def _read_ours(path: Path) -> Session:
    """Our own trajectory. A torn end is read as far as it goes; a line that is not known here is not read past."""
    try:
        found = read_back(path)
    except TrajectoryError as error:
        raise TranscriptError(str(error)) from error
    torn = [problem for problem in found.problems if "never finished" in problem]
    if len(found.problems) > len(torn):
        raise TranscriptError(next(problem for problem in found.problems if problem not in torn))
    whole = any(isinstance(event, Ended) for event in found.events)
    cut = [] if whole else ["The trajectory has no end: the attempt was killed."]
    return Session(OURS, None, None, None, None, tuple(found.events), notes=(*torn, *cut))


def _text_of(path: Path) -> tuple[str, list[str]]:
    """A file's text with plain newlines and no colours; bytes that are not UTF-8 stay as surrogates."""
    try:
        if path.is_dir():
            raise TranscriptError(f"{path}: is a folder; name the file in it that holds the session.")
        with path.open("rb") as file:  # a pipe or a device tells no size, and may have no end
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise TranscriptError(f"There is no file {path}.") from error
    except OSError as error:
        raise TranscriptError(f"{path}: cannot be read ({error.strerror}).") from error
    if len(data) > MAX_BYTES:
        raise TranscriptError(f"{path}: more than {MAX_BYTES:,} bytes are too many for a session.")
    if not data.strip():
        raise TranscriptError(f"{path}: is empty.")
    text, notes = _decoded(path, data)
    if "\r\n" in text[:10_000]:
        text = text.replace("\r\n", "\n")
        notes.append("Its lines ended in CRLF.")
    if "\x1b[" in text:
        text = _COLOURS.sub("", text)
        notes.append("Colours of a terminal were taken out.")
    return text, notes


def _decoded(path: Path, data: bytes) -> tuple[str, list[str]]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            # A cut-off file may end in the middle of a character.
            text = data[len(mark) :].decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
            return text, [f"It was written as {encoding.upper()} with a byte-order mark."]
    if data.count(b"\0"):
        raise TranscriptError(f"{path}: a binary file (it holds zero bytes), not a recorded session. {READS}")
    text = data.decode("utf-8", "surrogateescape")
    odd = sum("\udc80" <= character <= "\udcff" for character in text)
    return text, [f"{odd} bytes are not UTF-8; the session shows them as question marks."] if odd else []
