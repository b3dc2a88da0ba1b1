"""What a candidate saves must be saved: not moved beside its calls, and not only where many are asked for at once."""

import pytest

from harness.timing.audit import audit
from harness.timing.bench import Workload
from harness.timing.measurement import Sample
from harness.timing.session_record import SessionRecord

WORKLOAD = Workload(name="short")
BASE_US, DUE_US = 160.0, 40.0


def session(number: int, candidate_us: float, *, moved_us: float, alone_us: float | None) -> SessionRecord:
    """One session's record: `moved_us` more CPU beside the calls than the base, `alone_us` less for a call alone."""
    sample = Sample(
        session=number,
        workload="short",
        base_us=BASE_US,
        candidate_us=candidate_us,
        candidate_first=False,
        calls=12,
        base_worker_us=BASE_US - 1,
        candidate_worker_us=candidate_us - 1,
    )
    return SessionRecord(
        samples=[sample] * 4,
        candidate_slope_us={"short": candidate_us},
        base_idle_us={"short": DUE_US},
        candidate_idle_us={"short": DUE_US + moved_us},
        base_commit_us={"short": [40.0]},
        candidate_commit_us={"short": [40.0]},
        alone_saving_us={} if alone_us is None else {"short": alone_us},
        round_trip_us=80.0,
    )


@pytest.mark.parametrize(
    ("candidate_us", "moved_us", "alone_us", "cause"),
    [
        (160.0, 3.0, 0.0, None),
        (130.0, 3.0, 30.0, None),
        (20.0, 10.0, 130.0, None),
        (20.0, 0.0, None, None),
        # What is slower claims nothing: there is nothing to have moved.
        (170.0, 15.0, -20.0, None),
        (130.0, 30.0, 0.0, "background_work"),
        (130.0, 30.0, None, "background_work"),
        (20.0, 0.0, 0.0, "clock_mismatch"),
        (80.0, 0.0, 10.0, "clock_mismatch"),
    ],
)
def test_a_saving_is_held_against_all_that_is_known(
    candidate_us: float, moved_us: float, alone_us: float | None, cause: str | None
) -> None:
    records = [session(number, candidate_us, moved_us=moved_us, alone_us=alone_us) for number in range(8)]
    found = audit([WORKLOAD], records)
    assert (None if found is None else found.cause) == cause


def test_calls_alone_accuse_nobody_within_a_few_sessions() -> None:
    records = [session(number, 20.0, moved_us=0.0, alone_us=0.0) for number in range(5)]
    assert audit([WORKLOAD], records) is None


def test_a_few_bad_sessions_accuse_nobody() -> None:
    honest = [session(number, 20.0, moved_us=0.0, alone_us=140.0) for number in range(6)]
    bad = [session(number, 20.0, moved_us=90.0, alone_us=-300.0) for number in range(6, 8)]
    assert audit([WORKLOAD], honest + bad) is None
