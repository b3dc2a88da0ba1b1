"""What the search strategies find with a synthetic model, and whether noise fools them. All of it is simulated.

`python -m benchmarks.strategies [--runs 400]`: for each landscape and strategy the true value of what a run publishes,
by the number of its attempts, and how often the published interval holds that true value. The strategies, the intervals
and the verdicts are the harness's own; the patches' true values come from `synthetic_model`, the noise from a
calibration of a real machine.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.synthetic_judge import Noise, SyntheticJudge, recorded_noise
from benchmarks.synthetic_model import LANDSCAPES, Ideas, SyntheticPatch
from harness.brief import Brief
from harness.intervals import Rate, geometric_interval, geometric_mean, wilson
from harness.plan import Slot
from harness.strategy import STRATEGIES, Member, Strategy, strategy_for
from harness.strategy.approach import Approach
from harness.strategy.best_of_n import BestOfN
from harness.text import interval_text
from harness.verdict import Interval, Verdict

BUDGETS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Published:
    """What a simulated run of some budget publishes.

    Attributes:
        truth: the winner's true speedup; 1 where there is no winner.
        interval: what is published for it; None where there is no winner.
        plain: the winner's interval as if it had been the only attempt.
        estimate: of the winner's speedup.
    """

    truth: float
    interval: Interval | None = None
    plain: Interval | None = None
    estimate: float = 1.0


@dataclass(frozen=True)
class Found:
    """What the runs of one strategy with one budget come to.

    Attributes:
        runs: how many were simulated.
        best: the geometric mean of the winners' true speedups, with its 95 % interval over runs.
        winners: in how many runs somebody won.
        covered: how often the published interval holds the winner's true value; None without winners.
        plain_covered: the same for the interval that does not allow for the choice.
        overstated: by which factor the winners' estimates are above their true values, geometric mean.
    """

    runs: int
    best: Interval
    winners: int
    covered: Rate | None
    plain_covered: Rate | None
    overstated: float | None


def simulate_run(strategy: Strategy, landscape: type[Ideas], noise: Noise, seed: int, most: int) -> list[Published]:
    """One run of `most` attempts; what it would have published after each of `BUDGETS`."""
    model = landscape(random.Random(f"{seed}:landscape"))
    judge = SyntheticJudge(noise, random.Random(f"{seed}:noise"))
    patches: dict[str, SyntheticPatch] = {}
    population: list[Member] = []
    published = []
    for number in range(1, most + 1):
        slot = Slot(name=f"{number:03d}")
        brief = strategy.brief(slot, population, random.Random(f"{seed}:strategy:{slot.name}"))
        patch = written(model, brief, patches, random.Random(f"{seed}:model:{slot.name}"))
        patches[slot.name] = patch
        verdict = judge.judge(slot.name, model.value(patch) if patch.works else None, patch.approach)
        population = [*population, Member(verdict, brief, approach_in(patch))]
        if number in BUDGETS:
            verdicts = [member.verdict for member in population]
            published.append(_published(judge, verdicts, model, patches))
    return published


def written(model: Ideas, brief: Brief, patches: dict[str, SyntheticPatch], rng: random.Random) -> SyntheticPatch:
    """The patch that the synthetic model makes of what it is told."""
    parents = [patches[name] for name in brief.parents]
    if not parents:
        return model.fresh(rng)
    return model.crossover(parents, rng) if brief.kind == "crossover" else model.refine(parents[0], rng)


def approach_in(patch: SyntheticPatch) -> Approach:
    """What a look at the patch would tell of its approach."""
    return Approach(places=frozenset({f"target.py:{patch.approach}"}), size=min(len(patch.ideas) // 2, 3))


def _published(
    judge: SyntheticJudge, verdicts: Sequence[Verdict], model: Ideas, patches: dict[str, SyntheticPatch]
) -> Published:
    found = judge.published(verdicts)
    if found is None:
        return Published(truth=1.0)
    winner, interval = found
    truth = math.exp(model.value(patches[str(winner.attempt)]))
    return Published(truth, interval, winner.speedup, interval.estimate)


Runs = dict[int, list[Published]]


def simulate(strategy: Strategy, landscape: type[Ideas], noise: Noise, runs: int, most: int = 32) -> Runs:
    """What many runs of a strategy publish, by budget. The same seeds, and so the same tasks, for every strategy."""
    by_run = [simulate_run(strategy, landscape, noise, seed, most) for seed in range(runs)]
    budgets = [budget for budget in BUDGETS if budget <= most]
    return {budget: [run[place] for run in by_run] for place, budget in enumerate(budgets)}


def beside(one: Sequence[Published], other: Sequence[Published]) -> Interval | None:
    """How many times as fast the first strategy's winners are as the second's, task by task; None if always alike."""
    return geometric_interval([a.truth / b.truth for a, b in zip(one, other, strict=True)])


def summed_up(published: Sequence[Published]) -> Found:
    """What runs of one budget come to together."""
    truths = [each.truth for each in published]
    mean = geometric_mean(truths) or 1.0
    wins = [each for each in published if each.interval is not None]
    return Found(
        runs=len(published),
        best=geometric_interval(truths) or Interval(estimate=mean, low=mean, high=mean),
        winners=len(wins),
        covered=_covered([(each.interval, each.truth) for each in wins]),
        plain_covered=_covered([(each.plain, each.truth) for each in wins]),
        overstated=geometric_mean([each.estimate / each.truth for each in wins]),
    )


def _covered(pairs: Sequence[tuple[Interval | None, float]]) -> Rate | None:
    held = [interval.low <= truth <= interval.high for interval, truth in pairs if interval is not None]
    return wilson(sum(held), len(held)) if held else None


def all_strategies() -> dict[str, Strategy]:
    """Every strategy there is, with its own defaults."""
    return {name: strategy_for(name, BestOfN()) for name in STRATEGIES}


def main() -> None:
    """Simulate and print one table for each landscape."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strategies", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=400, help="simulated runs of each strategy (default 400)")
    parser.add_argument("--machine", default="2-core-vm", help="whose noise: a folder of docs/calibration")
    parser.add_argument("--landscape", choices=list(LANDSCAPES), action="append", help="all by default")
    asked = parser.parse_args()
    noise = recorded_noise(asked.machine)
    print(f"SIMULATED: {asked.runs} runs of each strategy, noise of {asked.machine}; intervals are 95 %")
    for name in asked.landscape or LANDSCAPES:
        began = time.monotonic()
        print(f"\n{name}: {(LANDSCAPES[name].__doc__ or '').strip().splitlines()[0]}")
        headings = f"{'winners':>9}{'published covers':>24}{'plain covers':>24}{'overstated':>12}"
        print(f"{'strategy':12}{'attempts':>9}{'best found, true':>24}{headings}")
        strategies = all_strategies().values() if LANDSCAPES[name].builds_up else [BestOfN()]
        done: dict[str, Runs] = {}
        for strategy in strategies:
            done[strategy.name] = simulate(strategy, LANDSCAPES[name], noise, asked.runs)
            for budget, published in done[strategy.name].items():
                print(_row(strategy.name, budget, summed_up(published)))
        for other in list(done)[1:]:
            for budget in BUDGETS[2:]:
                ratio = beside(done[other][budget], done[BestOfN().name][budget])
                print(f"{other} / best-of-n, {budget} attempts, by task: {interval_text(ratio) if ratio else 'alike'}")
        print(f"({time.monotonic() - began:.0f} s)", file=sys.stderr)


def _row(strategy: str, budget: int, found: Found) -> str:
    best = f"{found.best.estimate:.3f}x [{found.best.low:.3f}, {found.best.high:.3f}]"
    share = f"{found.winners / found.runs:.0%}"
    luck = "-" if found.overstated is None else f"{found.overstated - 1:+.2%}"
    covered = f"{_rate(found.covered):>24}{_rate(found.plain_covered):>24}"
    return f"{strategy:12}{budget:9}{best:>24}{share:>9}{covered}{luck:>12}"


def _rate(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.estimate:.1%} [{rate.low:.1%}, {rate.high:.1%}]"


if __name__ == "__main__":
    main()
