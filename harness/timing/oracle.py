"""Holding an output against the bench's oracle, in a process that never imported the target."""

from __future__ import annotations

from harness.timing.bench import Bench, Workload, last_line
from harness.timing.inputs import Given
from harness.timing.session import Fetched

# An oracle that quotes the output may quote megabytes.
_DETAIL_CHARACTERS = 2000
_WHAT_CHECK_GIVES = "it must give None for an output that is right, else a sentence that says what is wrong with it"
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
    if isinstance(detail, str) and detail:
        raise OutputWrong(workload, detail[:_DETAIL_CHARACTERS])
    if detail is not None:  # True for a right output, say: on the base it is found out
        raise OutputWrong(workload, f"check gave {repr(detail)[:80]}; {_WHAT_CHECK_GIVES}")


def inputs_changed(given: Given, fetched: Fetched) -> bool:
    """Whether the inputs came back other than they were sent: equal trees have equal bytes."""
    return given.packed != fetched.input_packed
