"""Codex's plain-text transcript: what `codex exec` prints for people, read back into a session.

It is a log and no format: a heading on a line of its own, then text until the next heading. A heading's word may as
well be a line of some command's output, so a heading counts only with what must follow it. Two generations are read:
the one that writes `thinking`, `file update` and the whole diff of the turn after every command, and the newer one that
writes `apply patch`. The diff is printed again and again; only the last one is the patch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from agent.codex_headings import CHANGE, PATCHED, command_end, how_it_ended, is_heading, seconds_of
from agent.session import Builder, Session, TranscriptError
from agent.turn_diff import START, FileDiff, read_diff

FORM = "a plain-text transcript of Codex"
_FIRST = re.compile(r"^OpenAI Codex v(?P<version>\S+)(?P<preview> \(research preview\))?$")
_RULE = "--------"
_LOGGED = re.compile(
    r"^\d{4}-\d\d-\d\dT[\d:.]+Z +(?:ERROR|WARN|INFO|DEBUG) |^warning: |^Reading additional input from stdin"
)
_STEP = re.compile(r"^\s*(?P<mark>[✓✔→•□]) (?P<step>.+)$")
_STATUS = {"✓": "completed", "✔": "completed", "→": "in_progress"}


def is_transcript(text: str) -> bool:
    """Whether a text begins as these transcripts do, some lines of a shell's or a logger's before it allowed."""
    return any(_FIRST.match(line) for line in text.split("\n", 40)[:40])


def read_transcript(path: Path, text: str) -> Session:
    """Read a transcript. One that was cut off is read as far as it goes, and says so.

    Args:
        path: where it came from, for messages.
        text: the whole of it, with plain newlines; bytes that are not UTF-8 as surrogates.

    Raises:
        TranscriptError: it has no body.
    """
    lines = text.split("\n")
    first = next(n for n, line in enumerate(lines) if _FIRST.match(line))
    match = _FIRST.match(lines[first])
    rules = [n for n, line in enumerate(lines[first : first + 40], first) if line == _RULE][:2]
    if match is None or len(rules) < 2:
        raise TranscriptError(f"{path}:{first + 1}: a Codex transcript that ends in its heading: nothing was recorded.")
    heading = dict(line.partition(": ")[::2] for line in lines[rules[0] + 1 : rules[1]])
    reader = _Reader(lines, rules[1] + 1, heading.get("workdir"), newer=match["preview"] is None)
    reader.read()
    return Session(
        form=FORM,
        agent="codex",
        version=match["version"],
        model=heading.get("model"),
        workdir=heading.get("workdir"),
        events=tuple(reader.session.events),
        diff=reader.diff,
        diffs=reader.diffs,
        edits=tuple(reader.session.edits),
        notes=tuple(reader.notes),
    )


@dataclass
class _Reader:
    lines: list[str]
    at: int
    workdir: str | None
    newer: bool
    session: Builder = field(init=False)
    diff: tuple[FileDiff, ...] | None = None
    diffs: int = 0
    notes: list[str] = field(default_factory=list)
    tokens: str | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        self.session = Builder(self.workdir)

    def read(self) -> None:
        if self.at < len(self.lines) and self.lines[self.at] == "user":
            self.at += 1
        prompt = self._text()
        self.session.tell(re.split(r"\n\s*mcp startup: [^\n]*", prompt)[0].strip("\n"))
        while self.at < len(self.lines) and self.tokens is None:
            self._section()
        self._end()

    def _section(self) -> None:
        line = self.lines[self.at]
        self.at += 1
        match line:
            case "thinking":
                self.session.think(self._text())
            case "codex":
                self.session.say(self._text())
            case "exec":
                self._exec()
            case "file update":
                self._edit()
            case "apply patch":
                self._patched()
            case "file update:":
                self._diff()
                self._text()
            case "Plan update":
                self._plan(self._text())
            case "tokens used":
                self.tokens = self.lines[self.at].strip()
            case _:  # the newer generation's reasoning has no heading
                self.session.think(f"{line}\n{self._text()}")

    def _text(self) -> str:
        """The lines until the next heading, without the logger's."""
        begin = self.at
        while self.at < len(self.lines) and not self._is_heading(self.at):
            self.at += 1
        kept = [line for line in self.lines[begin : self.at] if not _LOGGED.match(line)]
        failed = [line for line in kept if line.startswith("ERROR: ")]
        self.error = failed[-1].removeprefix("ERROR: ") if failed else self.error
        return "\n".join(kept).rstrip("\n")

    def _is_heading(self, at: int) -> bool:
        return is_heading(self.lines, at, newer=self.newer)

    def _exec(self) -> None:
        begin, end = self.at, command_end(self.lines, self.at)
        ran = how_it_ended(self.lines[end]) if end is not None and end < len(self.lines) else None
        if end is None or ran is None:
            self.session.shell("\n".join(self.lines[begin:]).rstrip("\n"))
            self.at = len(self.lines)
            return
        text = "\n".join([*self.lines[begin:end], self.lines[end][: ran.start()]]).rstrip("\n")
        self.at = end + 1
        command, _, folder = text.rpartition(" in ")
        call = self.session.shell(command, folder=folder)
        code = ran["code"] or ("0" if ran["how"] == "succeeded" else ran["how"])
        self._result(call, ran, f"[exit code {code}, {seconds_of(ran['time']):.1f} s]\n")

    def _result(self, call: str, ran: re.Match[str], head: str = "") -> None:
        failed = ran["how"] != "succeeded" and ran["code"] != "0"
        text = f"{head}{self._text()}".rstrip("\n")
        self.session.result(call, text, failed=failed, seconds=seconds_of(ran["time"]))

    def _edit(self) -> None:
        """The older generation's edit: files with their hunks, then how applying them ended."""
        parts: list[str] = []
        ended = None
        while self.at < len(self.lines) and not self._is_heading(self.at):
            line = self.lines[self.at]
            ended = how_it_ended(line) if line.startswith("apply_patch(") else None
            if ended:
                break
            change = CHANGE.match(line)
            parts += self._change(change) if change else [line]
            self.at += 1
        call = self.session.call("apply_patch", {"patch": "\n".join(["*** Begin Patch", *parts, "*** End Patch"])})
        if ended:
            self.at += 1
            self._result(call, ended)

    def _change(self, change: re.Match[str]) -> list[str]:
        words = {"A": "Add", "D": "Delete"}
        head = f"*** {words.get(change['kind'], 'Update')} File: {self._relative(change['path'])}"
        return [head, f"*** Move to: {self._relative(change['to'])}"] if change["to"] else [head]

    def _relative(self, path: str) -> str:
        return path.removeprefix(f"{self.workdir}/") if self.workdir else path

    def _patched(self) -> None:
        """The newer generation's edit: its files, and right after them the diff of all edits so far."""
        how = PATCHED.match(self.lines[self.at])
        names = []
        self.at += 1
        while self.at < len(self.lines) and not self.lines[self.at].startswith(START) and not self._is_heading(self.at):
            names += [self._relative(self.lines[self.at])] if self.lines[self.at].strip() else []
            self.at += 1
        call = self.session.call("file_change", {"paths": names})
        failed = how is None or how["how"] not in ("completed", "success", "succeeded")
        self.session.result(call, f"patch: {how['how'] if how else '?'}", failed=failed)
        if self.at < len(self.lines) and self.lines[self.at].startswith(START):
            self._diff()
            self._text()

    def _diff(self) -> None:
        files, self.at, whole = read_diff(self.lines, self.at)
        self.diffs += 1
        if whole and self._goes_on():
            self.diff = tuple(files)
        else:
            self.notes.append(f"Diff {self.diffs} of the transcript is cut off; the last whole one before it counts.")

    def _goes_on(self) -> bool:
        """Whether a heading or the logger follows: a diff with nothing behind it may lack its last files."""
        at = next((n for n in range(self.at, len(self.lines)) if self.lines[n].strip()), len(self.lines))
        return at < len(self.lines) and (self._is_heading(at) or _LOGGED.match(self.lines[at]) is not None)

    def _plan(self, text: str) -> None:
        steps = [found for line in text.split("\n") if (found := _STEP.match(line))]
        plan = [{"step": found["step"], "status": _STATUS.get(found["mark"], "pending")} for found in steps]
        if plan:
            self.session.result(
                self.session.call("update_plan", {"steps": plan}), "The plan is written down.", failed=False
            )

    def _end(self) -> None:
        words = self.session.last_words()
        if self.tokens is not None:
            self.notes.append(f"{self.tokens} tokens in all; the transcript does not tell input from output.")
            self.session.end("submitted", words)
        elif self.error is not None:
            self.session.end("model_error", self.error)
        else:
            self.notes.append("The transcript ends in the middle of the session: it was cut off, or Codex was killed.")
            self.session.end("interrupted", words)
