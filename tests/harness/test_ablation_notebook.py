"""What an earlier call found: gone on with where it is of the same making, and only there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.ablation.notebook import FILE, Notebook, kept_record
from harness.ablation.parts import Part
from harness.ablation.records import Ablation, Smallest, Trial
from harness.plan import Admission
from harness.timing.machine import describe_device
from harness.verdict import Interval, NoiseFloor

ONE = Interval(estimate=1.0, low=0.99, high=1.01)
SMALLEST = Smallest(left_out=[], insertions=1, deletions=0, sha256="", path="p", against_whole=None, speedup=ONE)


def record(**changes: Any) -> Ablation:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "patch": "some.diff",
        "task": "tiny",
        "by": "hunk",
        "sha256": "ab",
        "base_commit": "cd",
        "made_of": {"the bench": "12"},
        "limit": 5,
        "parts": [Part(name="h1", path="a.py", line=1, heading="", added=1, removed=0, text="")],
        "admission": Admission(
            device="cpu", expected=[], noise=NoiseFloor(speedup=ONE, sessions=8), machine=describe_device("cpu")
        ),
        "trials": [trial(1)],
        "smallest": SMALLEST,
    }
    return Ablation.model_validate({**fields, **changes})


def trial(number: int, status: str = "incorrect") -> Trial:
    return Trial.model_validate(
        {"left_out": ["h1"], "purpose": "drop", "number": number, "status": status, "seconds": 1.0}
    )


def kept(folder: Path, found: Ablation, wanted: Ablation) -> Ablation | None:
    Notebook(folder, found).note()
    return kept_record(folder, wanted)


def test_the_same_is_gone_on_with(tmp_path: Path) -> None:
    wanted = record(patch="RUN/001", limit=4, trials=[], smallest=None, admission=None)
    found = kept(tmp_path, record(), wanted)
    assert found == record(patch="RUN/001", limit=4)


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "other"},
        {"by": "file"},
        {"task": "other"},
        {"base_commit": "other"},
        {"made_of": {"the bench": "34"}},
        {"parts": []},
    ],
)
def test_another_is_not(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert kept(tmp_path, record(), record(**changes)) is None


def test_another_machine_is_not(tmp_path: Path) -> None:
    admission = record().admission
    assert admission is not None
    elsewhere = admission.model_copy(update={"machine": admission.machine.model_copy(update={"name": "Another"})})
    assert kept(tmp_path, record(admission=elsewhere), record()) is None
    assert kept(tmp_path, record(admission=None), record()) is None


def test_what_the_infrastructure_spoilt_is_done_again(tmp_path: Path) -> None:
    found = kept(tmp_path, record(trials=[trial(1), trial(2, "infra_failed")], notes=["x"]), record())
    assert found is not None and found.smallest is None and found.notes == []
    assert [each.number for each in found.trials] == [1]


def test_a_higher_limit_goes_on_where_the_limit_ended_it(tmp_path: Path) -> None:
    ended = record(limit_reached=True)
    for limit, over in ((5, True), (3, True), (9, False)):
        found = kept(tmp_path, ended, record(limit=limit))
        assert found is not None and (found.smallest is not None, found.limit_reached) == (over, over)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "\x00"])
def test_a_damaged_record_is_begun_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert kept_record(tmp_path, record()) is None
