"""Static tripwires: what a patch adds that deserves a second look, and the little that proves cheating.

A tripwire is no proof of honesty: whatever is checked by reading can be written so that reading does not find it.
What makes cheating not worth while is the referee, which trusts nothing the candidate's process says. Tripwires
tell people where to look, and turn away what has no honest use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from harness.errors import Rejected
from harness.policy.tripwires import Trip, trips
from harness.verdict import Finding

__all__ = ["added_findings", "require_honest"]

_SUFFIXES = (".py", ".pyi")
_MOST_FINDINGS = 200


def added_findings(base: Path, candidate: Path, files: Iterable[str]) -> list[Finding]:
    """What the candidate's files trip that the base's do not, in order of file and line.

    A line that the patch only moves is not held against it: findings are matched by rule and source, and counted.

    Args:
        base: the base's checkout.
        candidate: the patched one.
        files: the changed files, relative to both.
    """
    found = []
    for name in sorted(files):
        if not name.endswith(_SUFFIXES):
            continue
        before = Counter(_key(trip) for trip in trips(_read(base / name)))
        for trip in sorted(trips(_read(candidate / name)), key=lambda trip: trip.line):
            if before[_key(trip)] > 0:
                before[_key(trip)] -= 1
                continue
            rule = trip.rule
            message = f"{rule.sentence.format(what=trip.what)}."
            found.append(Finding(rule=rule.name, severity=rule.severity, file=name, line=trip.line, message=message))
    # Rejects first, should there be too many to keep.
    found.sort(key=lambda finding: finding.severity != "reject")
    return sorted(found[:_MOST_FINDINGS], key=lambda finding: (finding.file, finding.line))


def require_honest(findings: list[Finding]) -> None:
    """End the attempt if a finding proves cheating.

    Raises:
        Rejected: the cause is the first such finding's rule.
    """
    proofs = [finding for finding in findings if finding.severity == "reject"]
    if proofs:
        first = proofs[0]
        more = f" (and {len(proofs) - 1} more)" if len(proofs) > 1 else ""
        raise Rejected(first.rule, f"{first.file}:{first.line}: {first.message}{more}")


def _key(trip: Trip) -> tuple[str, str]:
    return trip.rule.name, trip.what


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""
