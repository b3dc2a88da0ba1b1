"""Comparing: what differs is claimed, what does not is not, and what cannot be compared is refused in words."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path

import pytest
from records import device, interval, story, verdict, write_run
from scipy.stats import ttest_ind
from test_cli import harness

from harness.compare import compare_attempts
from harness.compare_runs import compare_runs, newcombe, welch, welch_ends
from harness.errors import UsageError
from harness.events import AttemptFinished, AttemptStarted, Event
from harness.intervals import log_moments, wilson
from harness.journal import Journal
from harness.store import AttemptFolder, RunFolder
from harness.timing.measurement import Measurement, Sample
from harness.verdict import NOT_JUDGED, Verdict


def _samples(speedup: float, seed: int, sessions: int = 8) -> list[Sample]:
    rng = random.Random(seed)
    found = []
    for session in range(sessions):
        for workload, base in (("decode-1", 1000.0), ("prefill-16k", 100.0)):
            drift = math.exp(rng.gauss(0, 0.01))
            for _ in range(5):
                noise = math.exp(rng.gauss(0, 0.01))
                found.append(
                    Sample(
                        session=session,
                        workload=workload,
                        base_us=base,
                        candidate_us=base / speedup * drift * noise,
                        candidate_first=rng.random() < 0.5,
                        calls=1,
                        base_worker_us=base,
                        candidate_worker_us=base / speedup,
                    )
                )
    return found


def _attempt(out: Path, run: str, speedup: float, seed: int, **changes: object) -> AttemptFolder:
    judged = verdict(run=run, speedup=speedup, **changes)
    folder = write_run(out, judged).attempt("001")
    measured = Measurement(
        speedup=interval(speedup),
        workloads=judged.workloads,
        samples=_samples(speedup, seed),
        sessions=8,
        stopped="decided",
        look_level=0.98,
        repeated_inputs=[],
        device=device(),
        seconds=1,
    )
    folder.samples.write_text(json.dumps({"selection": measured.model_dump(), "confirmation": None}))
    return folder


def _run(out: Path, name: str, speedups: list[float | None], **changes: object) -> RunFolder:
    """A run of several attempts; None is one that failed its tests."""
    judged = [
        verdict("faster" if speedup else "incorrect", speedup, run=name, attempt=f"{number:03d}", **changes)
        for number, speedup in enumerate(speedups, 1)
    ]
    events: list[Event] = story(judged[0])[:1]
    for each in judged:
        events += [
            AttemptStarted(at=each.finished_at, attempt=str(each.attempt)),
            AttemptFinished(at=each.finished_at, attempt=str(each.attempt), verdict=each),
        ]
    folder = RunFolder(out / name)
    for each in judged:
        folder.attempt(str(each.attempt)).create()
    with Journal(folder.journal) as journal:
        for event in events:
            journal.append(event)
    return folder


def test_a_difference_is_claimed_with_its_factor(tmp_path: Path) -> None:
    slow, fast = _attempt(tmp_path, "slow", 2.0, 1), _attempt(tmp_path, "fast", 2.4, 2)
    found = compare_attempts(slow, fast)
    assert found.conclusion == "second_faster" and found.ratio is not None
    assert found.ratio.low < found.ratio.estimate < found.ratio.high
    assert found.ratio.estimate == pytest.approx(1.2, abs=0.02) and found.ratio.low > 1.15
    assert "fast/001 is 1." in found.sentence and "as fast as slow/001" in found.sentence
    assert [each.apart for each in found.workloads] == [True, True]
    assert found.sessions == (8, 8)
    back = compare_attempts(fast, slow)
    assert back.conclusion == "first_faster" and found.sentence.split(" [")[0] in back.sentence


def test_the_same_patch_measured_twice_is_no_difference(tmp_path: Path) -> None:
    found = compare_attempts(_attempt(tmp_path, "a", 2.0, 1), _attempt(tmp_path, "b", 2.0, 2))
    assert found.conclusion == "alike" and "No difference worth a claim" in found.sentence
    assert not any(each.apart for each in found.workloads)


def test_less_than_the_smallest_claim_is_not_claimed(tmp_path: Path) -> None:
    wide = verdict().timing
    assert wide is not None
    timing = wide.model_copy(update={"min_effect": 0.25})
    found = compare_attempts(_attempt(tmp_path, "a", 2.0, 1), _attempt(tmp_path, "b", 2.4, 2, timing=timing))
    assert found.conclusion == "alike" and found.floor == 0.25


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"device": device("another")}, "different devices"),
        ({"base_commit": "2f" * 20}, "bases differ"),
        ({"status": "incorrect"}, "was not timed: incorrect"),
        ({"status": "infra_failed", "cause": NOT_JUDGED}, "was not timed: infra failed \\(not_judged\\)"),
    ],
)
def test_what_does_not_compare_is_shown_and_not_tested(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    found = compare_attempts(_attempt(tmp_path, "a", 2.0, 1), _attempt(tmp_path, "b", 2.4, 2, **changes))
    assert found.conclusion == "not_tested" and found.ratio is None

    assert re.search(says, found.sentence), found.sentence


def test_unreadable_samples_are_named(tmp_path: Path) -> None:
    one, two = _attempt(tmp_path, "a", 2.0, 1), _attempt(tmp_path, "b", 2.4, 2)
    for damaged in ("", "{}", "[]", '{"selection": null, "confirmation": null}'):
        two.samples.write_text(damaged)
        found = compare_attempts(one, two)
        assert found.conclusion == "not_tested" and "samples of b/001" in found.sentence


def test_other_tasks_and_unfinished_attempts_are_refused(tmp_path: Path) -> None:
    one = _attempt(tmp_path, "a", 2.0, 1)
    with pytest.raises(UsageError, match="nothing to compare"):
        compare_attempts(one, _attempt(tmp_path, "b", 2.0, 1, task="other"))
    unfinished = write_run(tmp_path, verdict(run="c"), events=story(verdict(run="c"))[:8]).attempt("001")
    with pytest.raises(UsageError, match="has no verdict yet"):
        compare_attempts(one, unfinished)


def test_runs_are_compared_by_their_attempts(tmp_path: Path) -> None:
    weak = _run(tmp_path, "weak", [1.5, None, 1.6, None, 1.4, None])
    strong = _run(tmp_path, "strong", [2.5, 2.6, 2.4, 2.7, 2.5, 2.6])
    found = compare_runs(weak, strong)
    assert found.conclusion == "second_faster" and found.ratio is not None
    assert (found.first.faster, found.first.attempts, found.second.faster) == (3, 6, 6)
    assert found.rate_difference is not None and found.rate_difference.estimate == 0.5
    assert found.rate_difference.low > 0
    assert compare_runs(strong, weak).conclusion == "first_faster"
    assert compare_runs(weak, weak).conclusion == "alike"
    few = compare_runs(_run(tmp_path, "one", [2.0]), strong)
    assert few.conclusion == "not_tested" and "Two counted attempts" in few.sentence
    elsewhere = compare_runs(weak, _run(tmp_path, "there", [2.0, 3.0], device=device("another")))
    assert elsewhere.conclusion == "not_tested" and "different devices" in elsewhere.sentence


def test_a_run_that_was_never_judged_is_refused(tmp_path: Path) -> None:
    imported = _run(tmp_path, "imported", [None], cause=NOT_JUDGED)
    with pytest.raises(UsageError, match="No attempt of imported was judged"):
        compare_runs(imported, imported)


def test_welch_is_scipys() -> None:
    first, second = [1.2, 1.5, 1.1, 1.9, 1.4], [2.0, 2.9, 1.8, 2.4]
    logs = [[math.log(value) for value in values] for values in (first, second)]
    theirs = ttest_ind(logs[1], logs[0], equal_var=False).confidence_interval(0.95)
    # Ours rounds the degrees of freedom down, so it is a little wider.
    low, high = welch_ends(log_moments(first), log_moments(second))
    assert low == pytest.approx(theirs.low, abs=0.02) and low <= theirs.low
    assert high == pytest.approx(theirs.high, abs=0.02) and high >= theirs.high
    ours = welch(first, second)
    assert ours is not None and math.log(ours.low) <= low and math.log(ours.high) >= high
    assert welch([2.0], [1.0, 2.0]) is None and welch([1.0, 1.0], [1.0, 1.0]) is None


def test_newcombe_is_as_published(tmp_path: Path) -> None:
    # Newcombe 1998, table II, case (a): 56/70 - 48/80 = 0.2 with [0.0524, 0.3339] by method 10.
    one = compare_runs(*[_run(tmp_path, "x", [2.0, 2.5])] * 2).first
    first = one.model_copy(update={"rate": wilson(48, 80)})
    second = one.model_copy(update={"rate": wilson(56, 70)})
    found = newcombe(first, second)
    assert found is not None
    assert (round(found.estimate, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)


def test_the_verb(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    _attempt(out, "a-20260101-000000", 2.0, 1)
    _attempt(out, "b-20260102-000000", 2.4, 2)
    _run(out, "c-20260103-000000", [2.0, 2.2, 2.1])
    ended = harness("compare", "a-20260101-000000", "b-20260102-000000/001", cwd=tmp_path)
    assert ended.returncode == 0 and "as fast as a-20260101-000000/001" in ended.stdout, ended.stderr
    assert "8 and 8 sessions" in ended.stdout and "B over A" in ended.stdout
    ended = harness("compare", "a-20260101-000000", "c-20260103-000000", cwd=tmp_path)
    assert ended.returncode == 0 and "1/1" in ended.stdout and "3/3" in ended.stdout, ended.stderr
    document = json.loads(harness("compare", "a-20260101-000000", "b-20260102-000000", "--json", cwd=tmp_path).stdout)
    assert document["conclusion"] == "second_faster"
    assert Verdict.model_validate(document["first"]).run == "a-20260101-000000"
    ended = harness("compare", "a-20260101-000000", "c-20260103-000000/009", cwd=tmp_path)
    assert ended.returncode == 2 and "no attempt 009" in ended.stderr
