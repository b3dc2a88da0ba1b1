"""What an agent is told of the attempts before its own.

Only what is public: speedups over the shown workloads (`harness.strategy.protocol.public_speedup`; one over all
workloads would let whoever knows the shown ones work out the rest), the patches, what their authors said and profiled,
what the policy found in their text, and causes in our own words. A verdict's message is never passed on, and neither
is its overall speedup; the status in one word is, though it rests on all workloads: an agent has to know that a patch
was wrong. See `harness.public_names`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

from agent.prompt import render
from agent.trajectory import ToolEnded, TrajectoryError, read_back
from harness.brief import Brief
from harness.kept import kept_outcome
from harness.public_names import PublicNames
from harness.store import AttemptFolder, RunFolder
from harness.strategy import Member
from harness.text import fenced, interval_text, printable, shortened, speedup_text
from harness.verdict import Verdict

DIFF_CHARS, PROFILE_CHARS, SUMMARY_CHARS, FINDINGS, TESTS = 16_000, 6_000, 300, 8, 5

CAUSES = {
    "within_noise": "no difference beyond the noise",
    "not_confirmed": "a first look said faster, a second one did not",
    "wrong_output": "an output is wrong",
    "test_failed": "a test fails",
    "tests_broken": "the tests do not run to their end",
    "test_missing": "a test that passes on the base does not run any more",
    "import_failed": "the package cannot be imported",
    "call_raised": "a timed call raised an exception",
    "worker_crashed": "the process that made the timed calls ended",
    "worker_timeout": "a timed call did not come back in time",
    "protocol_violation": "something else than a result came back from the timed process",
    "clock_mismatch": "the time it said it took is not the time it took",
    "background_work": "it worked on after its calls had returned",
    "build_command_failed": "a build command fails",
    "outside_target_files": "it changes files that may not change",
    "api_broken": "it changes the public API",
    "not_a_regular_file": "it leaves something else in place of a regular file, or a repository of its own",
    "mode_change": "it changes a file's mode",
    "target_deleted": "it deletes a file",
    "binary": "it holds binary data",
    "too_large": "it is too large",
    "empty": "nothing was changed",
    "as_it_began": "it left the patch that it began with as it was",
    "repeated": "it repeated a patch that it was shown",
    "model_error": "its model failed",
}


@dataclass(frozen=True)
class Told:
    """What is told of one attempt: strings for the templates in `prompts/`, each empty where there is nothing.

    Attributes:
        speed: over the shown workloads, with its interval; `estimate` without.
        end: how it was judged, in our words.
        size: lines added and removed.
        summary: what the agent said when it submitted.
        workloads: the shown ones: name, times in microseconds, ratio.
        diff, profile: fenced.
    """

    name: str
    speed: str
    estimate: str
    end: str
    size: str
    approach: str
    summary: str
    findings: list[str] = field(default_factory=list)
    workloads: list[dict[str, str]] = field(default_factory=list)
    diff: str = ""
    profile: str = ""


@dataclass(frozen=True)
class Feedback:
    """Puts briefs into words.

    Attributes:
        folder: the run's.
        names: what may be named.
        notes: what earlier runs of the task came to; a sentence each, nothing held out in it.
    """

    folder: RunFolder
    names: PublicNames
    notes: tuple[str, ...] = ()

    def shown(self, brief: Brief, population: Sequence[Member]) -> str:
        """What the prompt says of the attempts that a brief names, as Markdown; empty where it names none."""
        if not (brief.parents or brief.ledger or self.notes):
            return ""
        members = {member.name: member for member in population}
        held_out = _held_out(population)
        return render(
            f"{brief.kind}.md.j2",
            parents=[self._told(members[name], held_out, whole=True) for name in brief.parents],
            ledger=[self._told(members[name], held_out, whole=False) for name in brief.ledger],
            notes=list(self.notes),
        )

    def told(self, member: Member) -> Told:
        """What may be told of one attempt in a line, to whoever comes after it."""
        return self._told(member, _held_out([member]), whole=False)

    def _told(self, member: Member, held_out: frozenset[str], *, whole: bool) -> Told:
        verdict, folder = member.verdict, self.folder.attempt(member.name)
        speedup, patch = member.speedup, verdict.patch
        summary = _summary(folder)
        profile = _last_profile(folder) if whole else ""
        return Told(
            name=member.name,
            speed=interval_text(speedup) if speedup else "",
            estimate=speedup_text(speedup.estimate) if speedup else "",
            end=self._end(verdict, folder),
            size=f"+{patch.insertions} -{patch.deletions}" if patch else "",
            approach=printable(str(member.approach)),
            summary=shortened(summary, SUMMARY_CHARS) if self.names.may_be_told(summary, held_out) else "",
            findings=[printable(f"{each.file}:{each.line}: {each.message}") for each in verdict.findings[:FINDINGS]],
            workloads=[
                {
                    "name": each.name,
                    "base_us": f"{each.base_us:.1f}",
                    "candidate_us": f"{each.candidate_us:.1f}",
                    "speed": interval_text(each.speedup),
                }
                for each in verdict.workloads
                if not each.held_out and each.name in self.names.workloads
            ],
            diff=_block(_patch(folder), "diff", DIFF_CHARS) if whole else "",
            profile=_block(profile, "", PROFILE_CHARS) if self.names.may_be_told(profile, held_out) else "",
        )

    def _end(self, verdict: Verdict, folder: AttemptFolder) -> str:
        """How an attempt was judged. Of tests and workloads, only what is public is named."""
        status = verdict.status.replace("_", " ")
        why = CAUSES.get(verdict.cause or "")
        if why is None:
            return status
        if verdict.cause == "test_failed":
            failed = sorted(_failed_tests(folder) & self.names.tests)
            more = f" and {len(failed) - TESTS} more" if len(failed) > TESTS else ""
            why += f": {', '.join(f'`{name}`' for name in failed[:TESTS])}{more}" if failed else " that is not shown"
        elif verdict.status in ("incorrect", "rejected"):
            workload = self.names.workload_of(verdict)
            why += f" (workload `{workload}`)" if workload else ""
        return f"{status}: {why}"


def _held_out(population: Sequence[Member]) -> frozenset[str]:
    return frozenset(each.name for member in population for each in member.verdict.workloads if each.held_out)


def _summary(folder: AttemptFolder) -> str:
    outcome = kept_outcome(folder)
    return outcome.detail.strip().replace('"', "'") if outcome is not None and outcome.ended == "submitted" else ""


def _patch(folder: AttemptFolder) -> str:
    return folder.patch.read_text(encoding="utf-8", errors="replace") if folder.patch.is_file() else ""


def _last_profile(folder: AttemptFolder) -> str:
    """The last profile that the agent took; empty where it took none, or its session cannot be read."""
    try:
        events = read_back(folder.trajectory).events
    except TrajectoryError:
        return ""
    found = [event.result for event in events if isinstance(event, ToolEnded) and event.result.name == "profile"]
    return next((each.output for each in reversed(found) if not each.is_error), "")


def _failed_tests(folder: AttemptFolder) -> set[str]:
    try:
        root = parse(folder.tests).getroot()
    except (OSError, ET.ParseError, DefusedXmlException):
        return set()
    cases = root.iter("testcase") if root is not None else []
    return {
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    }


def _block(text: str, language: str, most: int) -> str:
    """A text as a code block, cut at a line's end; empty for an empty one."""
    text = printable(text, multiline=True).strip("\n")
    if not text:
        return ""
    if len(text) > most:
        text = text[:most].rpartition("\n")[0] + "\n... (cut off here)"
    return fenced(text, language)
