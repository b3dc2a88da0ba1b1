"""Briefs as attempts start: decided once, written down, announced; read again where a run is gone on with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from harness.brief import Brief, read_brief, write_brief
from harness.events import AttemptBriefed, Emit, Event, now
from harness.hints import read_hints
from harness.plan import Slot
from harness.store import RunFolder
from harness.strategy import Member, Strategy
from harness.strategy.approach import approach_of
from harness.verdict import Verdict


class Briefing:
    """Tells the attempts of a run what the strategy wants of them. Works in the scheduling thread.

    Args:
        strategy: whose decisions these are.
        seed: the run's; every slot draws random numbers of its own from it, however many drew before it.
        folder: the run's.
        verdicts: gives those that count by now.
        emit: where events go.
        show: puts a brief into the prompt's words.
        before: the events of the run so far, where it is gone on with.
    """

    def __init__(
        self,
        strategy: Strategy,
        seed: int,
        folder: RunFolder,
        verdicts: Callable[[], Iterable[Verdict]],
        emit: Emit,
        show: Callable[[Brief, Sequence[Member]], str] = lambda _brief, _population: "",
        before: Iterable[Event] = (),
    ) -> None:
        self._strategy = strategy
        self._seed = seed
        self._folder = folder
        self._verdicts = verdicts
        self._emit = emit
        self._show = show
        self._told = {event.attempt for event in before if isinstance(event, AttemptBriefed)}
        self._members: dict[str, Member] = {}

    def __call__(self, slot: Slot) -> Brief | None:
        """What the attempt in this slot is told; None for a placebo and for the reference patch.

        Raises:
            StorageError: it cannot be written down.
            UsageError: one that was written down cannot be read.
        """
        if slot.kind != "attempt":
            return None
        folder = self._folder.attempt(slot.name)
        brief = read_brief(folder)
        if brief is None:
            rng = random.Random(f"{self._seed}:strategy:{slot.name}")
            population = self.population()
            brief = self._strategy.brief(slot, population, rng)
            said = [hint.text for hint in read_hints(self._folder)]
            shown = self._show(brief, population)
            brief = brief.model_copy(update={"hints": [*brief.hints, *said], "shown": shown})
            write_brief(folder, brief)
        if slot.name not in self._told:  # a kill may have come between the file and the journal
            self._told.add(slot.name)
            self._emit(
                AttemptBriefed(
                    at=now(),
                    attempt=slot.name,
                    strategy=brief.strategy,
                    kind=brief.kind,
                    parents=brief.parents,
                    start_from=brief.start_from,
                    island=brief.island,
                    hints=brief.hints,
                )
            )
        return brief

    def population(self) -> list[Member]:
        """The attempts that have been judged by now, by name: whoever ended first has no say in what comes next."""
        for verdict in self._verdicts():
            name = str(verdict.attempt)
            if name not in self._members and not verdict.is_control and verdict.status != "infra_failed":
                folder = self._folder.attempt(name)
                patch = folder.patch.read_text("utf-8", "replace") if folder.patch.is_file() else ""
                self._members[name] = Member(verdict, read_brief(folder) or Brief(), approach_of(patch))
        return [self._members[name] for name in sorted(self._members)]
