"""What `harness init` tells when it is done."""

from __future__ import annotations

from pathlib import Path

from harness.text import counted
from harness.verdict import Record


class Drafted(Record):
    """What was written.

    Attributes:
        task: the task file.
        files: all of them.
        problem: why the base does not satisfy the draft; None where it does.
        draft: what is to be confirmed.
    """

    task: str
    files: list[str]
    function: str
    calls: int
    seen_in: str
    workloads: list[str]
    tests: int
    problem: str | None
    draft: list[str]

    def lines(self) -> list[str]:
        """For people: what there is now, what is not sure, what comes next."""
        seen = counted(self.calls, "call")
        holds = "The base satisfies it" if self.problem is None else f"The base does not satisfy it yet: {self.problem}"
        return [
            f"Drafted a task for {self.function}, from {seen} of it in {self.seen_in}:",
            *(f"  {file}" for file in self.files if "/reference/" not in file),
            f"  {Path(self.task).with_suffix('')}/reference/ (the base's own code, the oracle)",
            f"{holds}; workloads: {', '.join(self.workloads)}; tests that pass: {self.tests}.",
            "",
            "Guessed; each is a line under `draft` in the task file, to be deleted when it is right:",
            *(f"  - {each}" for each in self.draft),
            "",
            "Next:",
            f"  harness check {self.task}              # is it sound? what is still to be confirmed?",
            f"  harness run {self.task} --agent nop    # admits the base, and stops there",
            f"  harness run {self.task} -m MODEL",
        ]
