"""The task's tests: which passed on the base, and whether each of them passes on a patch.

A test suite's exit code says too little: a patch can skip, deselect or end early and still leave zero. So
tests run by id, and every id that passed on the base must have passed again.
"""

from __future__ import annotations

import shlex
import shutil
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from harness.errors import Incorrect
from harness.folders import delete
from harness.sandbox import run_confined
from harness.task import LoadedTask
from harness.their_files import read_theirs

TEST_SECONDS = 900.0
OUTPUT_BYTES = 1_000_000
_REPORT_BYTES = 64_000_000
_MOST_LEVELS = 32


@dataclass(frozen=True)
class TestReport:
    """What a run of the tests gave.

    Attributes:
        passed: ids of the tests that passed.
        failed: id -> the failure's first line, for failures and errors.
        broken: commands that failed without naming a test, with their last lines.
    """

    __test__ = False  # not a test itself, whatever pytest thinks of its name

    passed: frozenset[str] = frozenset()
    failed: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def run_tests(
    loaded: LoadedTask,
    checkout: Path,
    scratch: Path,
    report: Path | None,
    *,
    hidden: bool,
    seconds: float = TEST_SECONDS,
    stop_at_first: bool = False,
) -> TestReport:
    """Run the public tests, and the hidden ones where asked, on a built checkout.

    Args:
        loaded: the task.
        checkout: the tree to test.
        scratch: a private folder for homes, caches and reports.
        report: where the merged JUnit report goes; None to drop it.
        hidden: whether the hidden tests run too.
        seconds: the time limit of each command.
        stop_at_first: whether the first failure ends a command: enough to know that there is one.
    """
    commands = list(loaded.task.tests.public)
    copy = scratch / "hidden_tests"
    if hidden and loaded.hidden_tests is not None:
        commands.append(f"python -m pytest -q --rootdir {shlex.quote(str(copy))} {shlex.quote(str(copy))}")
    passed: set[str] = set()
    failed: dict[str, str] = {}
    broken: dict[str, str] = {}
    suites = ET.Element("testsuites")
    for number, command in enumerate(commands):
        # What an earlier command left in their places is theirs: a folder, or a link to somewhere else.
        reports = scratch / "reports"
        delete(reports)
        reports.mkdir(parents=True)
        xml = reports / f"junit-{number}.xml"
        if loaded.hidden_tests is not None and number == len(loaded.task.tests.public):
            # A copy, so that nothing a test leaves behind lands beside the trusted original; made now, so that no
            # earlier command could read or write it.
            delete(copy)
            shutil.copytree(loaded.hidden_tests, copy, ignore=shutil.ignore_patterns("__pycache__"))
        # The rerun order is the file's order, and no cache is written into the checkout.
        options = f"--junitxml={shlex.quote(str(xml))} -o junit_family=xunit2 -p no:cacheprovider -p no:randomly"
        options += " --exitfirst" if stop_at_first else ""
        result = run_confined(
            command,
            checkout=checkout,
            scratch=scratch,
            seconds=seconds,
            max_bytes=OUTPUT_BYTES,
            variables={"PYTEST_ADDOPTS": options},
            gives_way=False,
        )
        found = _read_junit(xml, suites)
        passed |= {name for name, failure in found.items() if failure is None}
        failures = {name: failure for name, failure in found.items() if failure is not None}
        failed |= failures
        if result.exit_code != 0 and not failures:
            ended = (
                "ran past its time limit" if result.exit_code is None else f"ended with exit code {result.exit_code}"
            )
            broken[command] = f"{ended}: " + " | ".join(result.output.strip().splitlines()[-8:])
    if report is not None:
        ET.ElementTree(suites).write(report, encoding="utf-8", xml_declaration=True)
    return TestReport(passed=frozenset(passed - set(failed)), failed=failed, broken=broken)


def _read_junit(xml: Path, into: ET.Element) -> dict[str, str | None]:
    """Test id -> None where it passed, else its failure's first line; skipped tests are left out."""
    try:
        root = parse(BytesIO(read_theirs(xml, _REPORT_BYTES))).getroot()
    except (OSError, ET.ParseError, DefusedXmlException):
        root = None
    if root is None or not _is_shallow(root):
        return {}  # no report: the command's exit code and output speak, through `broken`
    found: dict[str, str | None] = {}
    for suite in [root] if root.tag == "testsuite" else root.findall("testsuite"):
        into.append(suite)
        for case in suite.iter("testcase"):
            name = f"{case.get('classname')}::{case.get('name')}"
            if case.find("skipped") is not None:
                continue
            failure = case.find("failure")
            problem = failure if failure is not None else case.find("error")
            if problem is None:
                found.setdefault(name, None)
            else:
                found[name] = _first_words(problem)
    return found


def _is_shallow(root: ET.Element) -> bool:
    """Whether a report is nested no deeper than such reports are: to write it out again takes a call for each level."""
    level = [root]
    for _ in range(_MOST_LEVELS):
        level = [child for element in level for child in element]
        if not level:
            return True
    return False


def _first_words(problem: ET.Element) -> str:
    """What went wrong, in a line. A module that does not import says only `collection failure` up front."""
    message = (problem.get("message") or "").strip().splitlines()
    text = (problem.text or "").strip().splitlines()
    if message and message[0] != "collection failure":
        # What comes first may be an exception's name and nothing else.
        line = " ".join(line.strip() for line in message[:3]) if message[0].endswith(":") else message[0]
    else:
        line = text[-1] if text else "failed"
    return line.strip()[:300]


def require_all(expected: frozenset[str], report: TestReport) -> None:
    """Every test that passed on the base must have passed.

    Raises:
        Incorrect: one did not pass; the message names the first and counts the rest.
    """
    if report.failed:
        name, why = next(iter(sorted(report.failed.items())))
        more = f" (and {len(report.failed) - 1} more)" if len(report.failed) > 1 else ""
        raise Incorrect("test_failed", f"{name} fails{more}: {why}")
    if report.broken:
        command, why = next(iter(report.broken.items()))
        raise Incorrect("tests_broken", f"`{command}` {why}")
    missing = sorted(expected - report.passed)
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise Incorrect("test_missing", f"{missing[0]}{more} passes on the base and did not run, or was skipped.")
