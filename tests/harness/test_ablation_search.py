"""The search for what can be left out: on made-up patches whose truth is known, counting trials."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from harness.ablation.records import Loss, Outcome, Trial
from harness.ablation.search import LimitReached, Search
from harness.verdict import Interval


def trial(left_out: frozenset[str], *, correct: bool, kept: bool) -> Trial:
    ratio = Interval(estimate=1.0, low=0.99, high=1.01) if kept else Interval(estimate=0.5, low=0.49, high=0.51)
    loss = Loss(ratio=ratio, worst="w", worst_ratio=ratio) if correct else None
    return Trial(
        left_out=sorted(left_out),
        purpose="drop",
        number=1,
        status="timed" if correct else "incorrect",
        loss=loss,
        seconds=0.0,
    )


class World:
    """Patches of parts `a`, `b`, ... of which a rule says whether they work and keep the gain without some."""

    def __init__(
        self, names: str, correct: Callable[[frozenset[str]], bool], kept: Callable[[frozenset[str]], bool]
    ) -> None:
        self.names = list(names)
        self.correct, self.kept = correct, kept
        self.known: dict[frozenset[str], Trial] = {}
        self.limit = 10_000

    def attempt(self, left_out: frozenset[str]) -> Trial:
        if left_out not in self.known:
            if len(self.known) >= self.limit:
                raise LimitReached
            stays = frozenset(self.names) - left_out
            self.known[left_out] = trial(left_out, correct=self.correct(stays), kept=self.kept(stays))
        return self.known[left_out]

    def search(self) -> Search:
        outcomes: dict[str, Outcome] = {}
        for name in self.names:
            alone = self.attempt(frozenset(name))
            kept = "no_difference" if alone.loss and alone.loss.ratio.low > 0.9 else "carries"
            outcomes[name] = kept if alone.loss else "needed"
        search = Search(self.names, self.attempt, lambda each: each.loss is not None and each.loss.ratio.low > 0.9)
        search.run(outcomes)
        return search


def test_idle_parts_go_in_one_trial() -> None:
    world = World("abcdef", lambda stays: True, lambda stays: "a" in stays)
    assert world.search().dropped == set("bcdef")
    assert len(world.known) == 7


def test_one_of_two_that_do_the_same_stays() -> None:
    world = World("abcd", lambda stays: True, lambda stays: bool(stays & {"a", "b"}))
    dropped = world.search().dropped
    assert len(dropped & {"a", "b"}) == 1 and {"c", "d"} <= dropped


def test_a_helper_goes_with_what_used_it() -> None:
    # `b` calls `c`, which calls `d`; `a` has the gain.
    def correct(stays: frozenset[str]) -> bool:
        return ("b" not in stays or "c" in stays) and ("c" not in stays or "d" in stays)

    assert World("abcd", correct, lambda stays: "a" in stays).search().dropped == {"b", "c", "d"}


def test_two_that_only_work_together_go_together() -> None:
    world = World("abc", lambda stays: ("b" in stays) == ("c" in stays), lambda stays: "a" in stays)
    assert world.search().dropped == {"b", "c"}


def test_something_always_stays() -> None:
    world = World("abc", lambda stays: True, lambda stays: True)
    assert len(world.search().dropped) == 2
    assert frozenset("abc") not in world.known


def test_the_limit_keeps_what_was_found() -> None:
    world = World("abcdefgh", lambda stays: True, lambda stays: len(stays & set("ab")) > 0 and "h" in stays)
    world.limit = 12
    search = Search(world.names, world.attempt, lambda each: each.loss is not None and each.loss.ratio.low > 0.9)
    outcomes: dict[str, Outcome] = {**dict.fromkeys("abcdefg", "no_difference"), "h": "carries"}
    for name in world.names:
        world.attempt(frozenset(name))
    with pytest.raises(LimitReached):
        search.run(outcomes)
    assert len(world.known) == 12 and search.dropped


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_truth_the_result_works_in_few_trials(seed: int) -> None:
    rng = random.Random(seed)
    names = "abcdefghij"
    needs = {name: set(rng.sample(names, rng.choice([0, 0, 1]))) - {name} for name in names}
    carriers = set(rng.sample(names, 3))

    def correct(stays: frozenset[str]) -> bool:
        return all(needs[name] <= stays for name in stays)

    world = World(names, correct, lambda stays: carriers <= stays)
    search = world.search()
    stays = frozenset(names) - search.dropped
    assert correct(stays) and carriers <= stays
    assert len(world.known) <= 3 * len(names) + 10
    # No single one of the parts that stay could go as well.
    assert not any(correct(stays - {name}) and carriers <= stays - {name} for name in stays)
