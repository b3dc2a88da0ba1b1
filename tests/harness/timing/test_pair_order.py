"""Who is timed first in a pair must not show in a session's value, and so not in the interval of sessions."""

import math
import random
from collections import Counter
from collections.abc import Callable

import pytest

from harness.timing.client import measure
from harness.timing.job import Protocol
from harness.timing.measurement import Measurement, Progress
from harness.timing.session_record import pair_order, pairs_within
from harness.timing.statistics import hodges_lehmann, session_value
from tests.harness.timing.toy_task import HONEST, QUICK, Toy


@pytest.mark.parametrize("pairs", [1, 3, 4, 5, 7, 10])
def test_an_order_effect_moves_no_interval(pairs: int) -> None:
    """Base against itself, where the first of two samples is 5 % shorter, as on virtual machines.

    With 4 of 7 candidates first, every session's median lies on their side: then 1 is left out by far more than the
    5 % promised.
    """
    rng = random.Random(pairs)
    wrong = 0
    for _ in range(300):
        values = []
        for _ in range(8):
            base, candidate = [], []
            for candidate_first in pair_order(pairs, rng):
                shorter = -0.05 if candidate_first else 0.05
                base.append(math.exp(rng.gauss(0, 0.02) - shorter / 2))
                candidate.append(math.exp(rng.gauss(0, 0.02) + shorter / 2))
            values.append(session_value(base, candidate))
        found = hodges_lehmann(values, 0.05)
        wrong += not found.low <= 0 <= found.high
    assert wrong / 300 < 0.10


def test_a_session_takes_an_even_number_of_pairs() -> None:
    protocol = Protocol(pairs=9, min_pairs=4)
    assert [pairs_within(afford, protocol) for afford in (0.3, 4.0, 5.9, 7.2, 8.0, 30.0)] == [4, 4, 4, 6, 8, 8]


def test_a_measurement_times_each_arm_first_in_half_of_its_pairs(toy: Toy, ignore: Callable[[Progress], None]) -> None:
    protocol = QUICK.model_copy(update={"looks": [2], "pairs": 5, "workload_ms": 200.0})
    found = measure(toy.job(HONEST, protocol=protocol), ignore)
    assert isinstance(found, Measurement)
    blocks = Counter((each.workload, each.session) for each in found.samples)
    first = Counter((each.workload, each.session) for each in found.samples if each.candidate_first)
    assert set(blocks.values()) == {4}
    assert set(first.values()) == {2} and first.keys() == blocks.keys()
