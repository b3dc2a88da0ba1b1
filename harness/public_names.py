"""What an agent may hear of: the names of shown workloads and of public tests. Everything else is held back.

Feedback to the attempts that follow is made of what is listed here and of typed causes, not of messages with the
secrets cut out. Messages hold what tests and workers printed, and those ran patched code: a patch that found a
hidden test's file, or counted the elements of a held-out input, could say so in an exception, for the next agent to
read. So no text that came out of a judged process is passed on at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.admission import Base
from harness.task import LoadedTask
from harness.verdict import Verdict


@dataclass(frozen=True)
class PublicNames:
    """What may be named.

    Attributes:
        workloads: the shown ones.
        tests: those of the target itself that pass on the base, as the report calls them.
        hidden: names that give hidden tests away: their ids, and their functions' names unless a public test's.
    """

    workloads: frozenset[str]
    tests: frozenset[str]
    hidden: frozenset[str]

    @classmethod
    def of(cls, loaded: LoadedTask, base: Base) -> PublicNames:
        """What may be named of a task."""
        folder = loaded.hidden_tests
        secret = {path.stem for path in folder.rglob("*.py")} if folder is not None else set()
        files = set(base.repository.files())
        tests = frozenset(name for name in base.expected if _is_public(name, files, secret))
        others = base.expected - tests
        functions = {_function(name) for name in others} - {_function(name) for name in tests}
        return cls(frozenset(each.name for each in base.shown), tests, others | functions)

    def workload_of(self, verdict: Verdict) -> str | None:
        """The shown workload that a verdict's message begins with; None where it is another, or none."""
        # The judge writes this beginning itself; what follows it may be the patch's words.
        return next((name for name in self.workloads if verdict.message.startswith(f"workload {name}: ")), None)

    def may_be_told(self, text: str, held_out: Iterable[str]) -> bool:
        """Whether a text written by somebody outside the judge names nothing that is held back.

        For what agents and people said: they were told none of it, but a person may know more than an agent.

        Args:
            text: their words.
            held_out: names of held-out workloads.
        """
        names = [name for name in {*self.hidden, *held_out} if name not in self.workloads]
        return not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names)


def _is_public(test: str, files: set[str], secret: set[str]) -> bool:
    """Whether a test's id, `package.module.Class::name`, is of a file of the target, and of none that is hidden."""
    parts = test.partition("::")[0].split(".")
    for end in range(len(parts), 0, -1):
        if parts[end - 1] in secret:
            return False
        if "/".join(parts[:end]) + ".py" in files:
            return True
    return False


def _function(test: str) -> str:
    return test.partition("::")[2].partition("[")[0]
