"""Holding an output against the bench's oracle, in a process that never imported the target."""

from __future__ import annotations

from harness.timing.bench import Bench, Workload, last_line
from harness.timing.inputs import Given
from harness.timing.session import Fetched

# An oracle that quotes the output may quote megabytes.
_DETAIL_CHARACTERS = 2000
INPUTS_CHANGED = "the call changed its inputs, which the base leaves as they are"


class OutputWrong(Exception):
    """An output is wrong, or the call changed its inputs: `detail` says what, the arm's owner says whose."""

    def __init__(self, workload: Workload, detail: str) -> None:
        super().__init__(f"{workload.name}: {detail}")
        self.workload = workload
        self.detail = detail


def check_output(bench: Bench, workload: Workload, given: Given, fetched: Fetched) -> None:
    """Check one output.

    Raises:
        OutputWrong: the oracle says so; or fails, for an output it cannot even look at is a wrong one. The base's
            outputs go through the same check first, so an oracle that always fails is found out there.
    """
    try:
        detail = bench.check(workload, given.made, fetched.output)
    except Exception as error:
        raise OutputWrong(workload, f"the oracle cannot read the output: {last_line(error)}") from error
    if detail is not None:
        raise OutputWrong(workload, str(detail)[:_DETAIL_CHARACTERS])


def inputs_changed(given: Given, fetched: Fetched) -> bool:
    """Whether the inputs came back other than they were sent: equal trees have equal bytes."""
    return given.packed != fetched.input_packed
