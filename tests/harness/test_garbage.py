"""The search for cycles is held off for a while, and never for good."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from records import verdict

from harness.garbage import no_search_for_cycles
from harness.leaderboard import boards_of
from harness.result import Result


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.enable()


def test_it_is_off_inside_and_as_it_was_outside() -> None:
    with no_search_for_cycles():
        assert not gc.isenabled()
        with no_search_for_cycles():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    with no_search_for_cycles():
        pass
    assert not gc.isenabled()


def test_it_is_on_again_after_an_error() -> None:
    def results() -> Iterator[Result]:
        yield Result.of(verdict())
        assert not gc.isenabled()  # so a board is ranked
        raise OSError

    with pytest.raises(OSError):
        boards_of(results())
    assert gc.isenabled()
