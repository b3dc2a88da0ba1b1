"""The interval of a best attempt: does it hold as often as it says, whichever attempt was picked?"""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from records import AT, device, interval, story, verdict, write_run
from rich.console import Console

from harness import cli_verify
from harness.display import print_summary
from harness.events import RunFinished
from harness.journal import read_events
from harness.leaderboard import leaderboard
from harness.report.build import write_report
from harness.report.material import read_run
from harness.run_lines import load_run_line
from harness.run_state import fold
from harness.selection import best_of, overall_values, settle_best, winner
from harness.show import best_of_text, headline
from harness.store import RunFolder
from harness.strict_json import strict_json
from harness.text import interval_text
from harness.timing.measurement import Measurement, Sample
from harness.timing.statistics import hodges_lehmann

Noise = Callable[[random.Random], float]
NOISES: dict[str, Noise] = {
    "normal": lambda rng: rng.gauss(0, 0.02),
    "heavy tails": lambda rng: 0.01 * rng.gauss(0, 1) / max(rng.random(), 0.05),
}


def misses(noise: Noise, *, attempts: int, sessions: int, adjusted: bool, trials: int = 800) -> float:
    """How often the interval of the best of `attempts` equal patches, worth exactly 1.0x each, leaves 1.0x out."""
    rng = random.Random(12)
    missed = 0
    for _ in range(trials):
        measured = [[noise(rng) for _ in range(sessions)] for _ in range(attempts)]
        best = max(measured, key=lambda values: hodges_lehmann(values, 0.05).estimate)
        found = best_of(best, attempts if adjusted else 1)
        missed += not found.low <= 0 <= found.high
    return missed / trials


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES.keys())
@pytest.mark.parametrize(("attempts", "sessions"), [(2, 8), (8, 8), (8, 16)])
def test_the_best_of_several_is_covered_as_often_as_it_says(noise: Noise, attempts: int, sessions: int) -> None:
    assert misses(noise, attempts=attempts, sessions=sessions, adjusted=True) <= 0.065


def test_without_the_adjustment_it_is_not() -> None:
    assert misses(NOISES["normal"], attempts=8, sessions=16, adjusted=False) > 0.1


def test_more_to_choose_from_and_more_looks_make_it_wider() -> None:
    values = [0.1 + 0.01 * ((7 * number) % 13 - 6) for number in range(24)]
    widths = [
        (found := best_of(values, chosen_from, looks)).high - found.low
        for chosen_from, looks in [(1, 1), (4, 1), (4, 3), (400, 3)]
    ]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_nothing_to_estimate_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 sessions of 3 attempts"):
        best_of([0.1], 3)


def sample(session: int, workload: str, base: float, candidate: float) -> Sample:
    return Sample(
        session=session,
        workload=workload,
        base_us=base,
        candidate_us=candidate,
        candidate_first=True,
        calls=1,
        base_worker_us=base,
        candidate_worker_us=candidate,
    )


def test_overall_values_are_logs_of_geometric_means() -> None:
    samples = [sample(0, "a", 2, 1), sample(0, "b", 8, 1), sample(1, "a", 1, 1), sample(1, "b", 1, 1)]
    assert overall_values(samples) == pytest.approx([1.3862943611, 0.0])


def measurement(speedup: float) -> Measurement:
    rng = random.Random(3)
    samples = [
        sample(session, "decode-1", speedup * math.exp(rng.gauss(0, 0.01)), 1.0) for session in range(16) for _ in "12"
    ]
    return Measurement(
        speedup=interval(speedup),
        workloads=verdict().workloads,
        samples=samples,
        sessions=16,
        stopped="decided",
        look_level=0.978,
        repeated_inputs=[],
        device=device(),
        seconds=1.0,
    )


def test_the_best_of_a_run_carries_its_interval_to_the_last_event_and_the_file(tmp_path: Path) -> None:
    low, high = verdict(speedup=2.0), verdict(speedup=3.0, attempt="002")
    placebo = verdict(speedup=9.0, attempt="003", agent="placebo")
    folder = RunFolder(tmp_path / "moe_align-20261121-004512")
    kept = {"selection": None, "confirmation": measurement(3.0).model_dump()}
    folder.attempt("002").create().samples.write_text(strict_json(kept))
    settled = settle_best([low, high, placebo], folder)
    assert settled[0] == low
    assert settled[2] == placebo
    timing = settled[1].timing
    assert timing is not None
    assert timing.adjusted is not None
    assert timing.chosen_from == 2
    assert timing.adjusted.low < 3.0 < timing.adjusted.high
    assert best_of_text(settled[1]).startswith("best of 2: ")
    assert json.loads(folder.attempt("002").verdict.read_text())["timing"]["chosen_from"] == 2

    last = RunFinished(at=AT, run=folder.name, attempts=settled)
    write_run(tmp_path, low, [*story(low)[:-1], last])
    assert fold(read_events(folder.journal)).verdicts == settled


def test_the_best_attempt_has_one_interval_wherever_it_is_listed(tmp_path: Path) -> None:
    """What it measured by itself is told too, in words that say that it is another thing."""
    low, high = verdict(speedup=2.0), verdict(speedup=3.0, attempt="002")
    folder = RunFolder(tmp_path / "moe_align-20261121-004512")
    kept = {"selection": None, "confirmation": measurement(3.0).model_dump()}
    folder.attempt("002").create().samples.write_text(strict_json(kept))
    settled = settle_best([low, high], folder)
    write_run(tmp_path, low, [*story(low)[:-1], RunFinished(at=AT, run=folder.name, attempts=settled)])
    best = settled[1]
    assert best.published is not None and best.speedup is not None
    published, own = interval_text(best.published), interval_text(best.speedup)
    assert published != own
    assert f"{published}, best of 2" in headline(best).plain

    console = Console(file=io.StringIO(), width=120)
    print_summary(settled, folder, console=console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"002  faster  {published}, best of 2" in said
    assert f"allows for having been picked; by itself it came to {own}" in said
    assert said.count(own) == 1

    for name in ("report.md", "report.html"):
        write_report(read_run(folder), tmp_path / name)
        text = (tmp_path / name).read_text()
        table = text[text.index("| why |" if name == "report.md" else ">why<") :]
        row = table[table.index("002") : table.index("002") + 400]
        assert published in row and "best of 2" in row and own not in row


def test_one_attempt_is_chosen_from_nothing(tmp_path: Path) -> None:
    assert settle_best([verdict()], RunFolder(tmp_path)) == [verdict()]


@pytest.mark.parametrize("content", ["", "{}", '{"confirmation": null}', '{"confirmation": {"samples": []}}', "[]"])
def test_a_damaged_record_leaves_the_verdicts_as_they_are(tmp_path: Path, content: str) -> None:
    both = [verdict(), verdict(speedup=2.0, attempt="002")]
    assert settle_best(both, RunFolder(tmp_path)) == both
    RunFolder(tmp_path).attempt("001").create().samples.write_text(content)
    assert settle_best(both, RunFolder(tmp_path)) == both


def test_who_was_the_best_before_the_run_went_on_is_so_no_more(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "moe_align-20261121-004512")
    three = [verdict(speedup=2.0, attempt="001"), verdict(speedup=3.0, attempt="002"), verdict(attempt="003")]
    for attempt, speedup in (("002", 3.0), ("003", 3.91)):
        kept = {"selection": None, "confirmation": measurement(speedup).model_dump()}
        folder.attempt(attempt).create().samples.write_text(strict_json(kept))
    earlier = settle_best(three[:2], folder)
    later = settle_best([*earlier, three[2]], folder)
    assert later[:2] == three[:2]
    assert later[2].timing is not None and later[2].timing.chosen_from == 3
    assert json.loads(folder.attempt("002").verdict.read_text()) == json.loads(three[1].model_dump_json())


def test_what_stands_for_a_run_is_the_interval_that_allows_for_the_choice(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "moe_align-20261121-004512")
    kept = {"selection": None, "confirmation": measurement(3.0).model_dump()}
    folder.attempt("002").create().samples.write_text(strict_json(kept))
    settled = settle_best([verdict(speedup=2.0), verdict(speedup=3.0, attempt="002")], folder)
    assert settled[1].timing is not None and settled[1].timing.adjusted is not None
    published = settled[1].timing.adjusted
    assert settled[1].published == published != settled[1].speedup
    assert settled[0].published == settled[0].speedup
    assert leaderboard(settled)[0].rows[0].best == published
    run = write_run(tmp_path, settled[1], [*story(settled[1])[:-1], RunFinished(at=AT, run="x", attempts=settled)])
    assert load_run_line(run).as_json()["best"]["speedup"] == published.model_dump()
    assert cli_verify.meets(settled, published.low - 0.001)
    assert not cli_verify.meets(settled, published.low + 0.001)


def test_the_winner_is_who_is_sure_to_be_fast_not_who_was_lucky() -> None:
    lucky = verdict(attempt="001", speedup=None).model_copy(update={"speedup": interval(3.2, 2.0, 5.0)})
    sure = verdict(attempt="002", speedup=3.0)
    lucky = lucky.model_copy(update={"timing": sure.timing})
    assert winner([lucky, sure]) is sure
    assert winner([verdict("same"), verdict("incorrect")]) is None
