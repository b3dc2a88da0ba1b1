"""What a reviewer is told of an attempt: the facts that the commit message and the pull request are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agent.trajectory import Ended
from harness.agents import PatchAgent
from harness.bars import time_text
from harness.kept import kept_outcome
from harness.merge.base import OldBase
from harness.merge.words import code, inert, item, quoted
from harness.report.diffs import FileDiff, parse_diff
from harness.report.facts import MARKS, STATUS_WORDS, facts
from harness.report.material import AttemptMaterial
from harness.text import counted, fenced, interval_text
from harness.verdict import Device, Verdict, WorkloadResult

_NAME_WIDTH = 30


@dataclass(frozen=True)
class Summary:
    """One attempt, for whoever may merge it.

    Attributes:
        run, attempt: its name.
        verdict: the judge's.
        title: the task's, one line.
        files: what changes in each file.
        facts: mark and sentence, the weightiest first.
        said: the agent's own summary; empty where it submitted none.
        base: where the target is from.
        prefix: the folder of the repository that the target lies in; empty for its root.
        keeps_cr: whether the patch has lines that end in CRLF, which `git am` drops unless told.
        patch_name, bundle_name: the files beside this one.
        bundle_sha256: the bundle's hash.
        hidden_tests: whether the bundle has the hidden tests; None where the task has none.
    """

    run: str
    attempt: str
    verdict: Verdict
    title: str
    files: list[FileDiff]
    facts: list[tuple[str, str]]
    said: str
    base: str
    prefix: str
    keeps_cr: bool
    patch_name: str
    bundle_name: str
    bundle_sha256: str
    hidden_tests: bool | None

    @property
    def subject(self) -> str:
        """The first line: what was measured, or that it is no win."""
        verdict = self.verdict
        speedup = interval_text(verdict.published) if verdict.published else ""
        if verdict.status == "faster":
            return f"{verdict.task}: {speedup} as fast"
        told = ", ".join(filter(None, (STATUS_WORDS.get(verdict.status, verdict.status), speedup)))
        return f"{verdict.task}: NOT FASTER ({told})"

    @property
    def who(self) -> str:
        """The agent and its model."""
        return " ".join(filter(None, (self.verdict.agent, self.verdict.agent_version, self.verdict.model)))

    @property
    def sdist(self) -> bool:
        """Whether the target is a PyPI sdist, which no repository is equal to."""
        return self.base.startswith("the sdist of ")

    @property
    def no_summary(self) -> str:
        """What is said where nobody said what was changed."""
        if self.verdict.agent == PatchAgent.name:
            return "The patch came as a file, without a summary."
        return f"The agent ({self.who}) left no summary."

    @property
    def unix_time(self) -> str:
        """When it was judged, as git takes it."""
        return f"@{int(datetime.fromisoformat(self.verdict.finished_at).timestamp())} +0000"

    @property
    def apply(self) -> str:
        """The command that applies the patch, in the root of the repository."""
        return f"git am{' --keep-cr' if self.keeps_cr else ''} {self.patch_name}"

    @property
    def reproduce(self) -> str:
        """The command that judges the patch again."""
        return f"harness verify --bundle {self.bundle_name} --trust"

    @property
    def device(self) -> list[tuple[str, str]]:
        """The machine, a name and a value a row."""
        return [] if self.verdict.device is None else device_rows(self.verdict.device)


def device_rows(device: Device) -> list[tuple[str, str]]:
    """A machine and its versions, a name and a value a row."""
    rows = [("device", f"{device.name} ({device.kind}), {counted(device.cores, 'core')}, {device.memory_gb:g} GiB")]
    versions = ", ".join(f"{name} {version}" for name, version in device.versions.items())
    return [*rows, ("platform", device.platform), ("versions", versions)]


def summarise(
    attempt: AttemptMaterial,
    verdict: Verdict,
    base: OldBase,
    diff: bytes,
    *,
    patch_name: str,
    bundle: tuple[str, str, bool | None],
) -> Summary:
    """Put together what a reviewer is told.

    Args:
        attempt: the attempt as its run left it.
        verdict: its verdict.
        base: its base.
        diff: the patch.
        patch_name: how the file for `git am` is called.
        bundle: the bundle's name, its SHA-256, and whether the hidden tests are in it (None: there are none).
    """
    return Summary(
        run=attempt.folder.run.name,
        attempt=attempt.name,
        verdict=verdict,
        title=base.loaded.task.title,
        files=parse_diff(diff.decode("utf-8", "replace")),
        facts=[(MARKS[fact.tone], fact.text) for fact in facts(attempt)],
        said=submitted_summary(attempt),
        base=base.words,
        prefix=base.home.prefix if base.home else "",
        keeps_cr=b"\r\n" in diff,
        patch_name=patch_name,
        bundle_name=bundle[0],
        bundle_sha256=bundle[1],
        hidden_tests=bundle[2],
    )


def submitted_summary(attempt: AttemptMaterial) -> str:
    """What the agent said when it submitted, from its outcome or the end of its session; empty where it did not."""
    outcome = kept_outcome(attempt.folder)
    if outcome is not None:
        return outcome.detail.strip() if outcome.ended == "submitted" else ""
    ends = [event for event in attempt.events[0] if isinstance(event, Ended)]
    return ends[-1].detail.strip() if ends and ends[-1].ended == "submitted" else ""


def commit_message(summary: Summary) -> str:
    """All of a commit message: subject, what was measured, what speaks for and against, how to see it again."""
    return _rendered("commit_message.txt.j2", summary, inert)


def pull_request(summary: Summary) -> str:
    """The description of a pull request, Markdown."""
    return _rendered("pull_request.md.j2", summary, code)


def _rendered(template: str, summary: Summary, word: Callable[[str], str]) -> str:
    from harness.report.page import render  # noqa: PLC0415 - brings in jinja2

    text = render(
        template,
        s=summary,
        word=word,
        time=time_text,
        item=item,
        inert=inert,
        quoted=quoted,
        fenced=lambda text: fenced(inert(text, multiline=True).rstrip()),
        table=workload_lines,
    )
    return f"{text.rstrip()}\n"


def workload_lines(workloads: list[WorkloadResult]) -> list[str]:
    """The workloads as an aligned table of plain text; every line is indented, so that none is taken for a patch."""
    rows = [("workload", "agent", "base", "patch", "speedup [95 %]")]
    for each in workloads:
        shown = inert(each.name)
        shown = shown if len(shown) <= _NAME_WIDTH else shown[: _NAME_WIDTH - 1] + "…"
        times = time_text(each.base_us), time_text(each.candidate_us)
        rows.append((shown, "held out" if each.held_out else "shown", *times, interval_text(each.speedup)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}  "
        f"{row[4]:>{widths[4]}}"
        for row in rows
    ]
