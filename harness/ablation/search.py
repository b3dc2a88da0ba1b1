"""What can be left out of a patch, found with few trials. Knows nothing of patches: names in, sets of names out.

First every part is left out alone. Then those whose loss was shut out go together, then those nothing could be
shown of; where a group does not go, its halves are tried, down to single parts (the splitting of Zeller and
Hildebrandt's delta debugging, IEEE TSE 28, 2002). Every trial is held against the whole patch, never against the
last one: small losses do not add up unseen. A part that was needed for correctness may be idle once the ones that
used it are gone, so those are tried again after every success.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.ablation.records import Outcome, Trial

Attempt = Callable[[frozenset[str]], Trial]


class LimitReached(Exception):
    """No more trials are allowed: what was found by then stands."""


@dataclass
class Search:
    """Looks for the largest set of parts that can be left out.

    Attributes:
        names: all parts, in order.
        attempt: judges the patch without some of them; gives what it knows already at no cost.
        keeps: whether a trial says that the gain is kept.
        accepted: what can be left out, each a larger set than the one before.
    """

    names: Sequence[str]
    attempt: Attempt
    keeps: Callable[[Trial], bool]
    accepted: list[frozenset[str]] = field(default_factory=list)

    @property
    def dropped(self) -> frozenset[str]:
        """The largest set by now."""
        return self.accepted[-1] if self.accepted else frozenset()

    def run(self, outcomes: dict[str, Outcome]) -> None:
        """Search, given what each part alone came to; best candidates first.

        Raises:
            LimitReached: as `attempt`.
        """
        idle, unclear, needed = (
            [name for name in outcomes if outcomes[name] == wanted]
            for wanted in ("no_difference", "undetermined", "needed")
        )
        self._shed(idle)
        self._shed(unclear)
        before = None
        while before != self.dropped:
            before = self.dropped
            self._shed(needed)
            if before != self.dropped:
                self._shed(idle)
                self._shed(unclear)

    def _shed(self, group: Sequence[str]) -> None:
        """Leave out as much of a group as goes."""
        left = [name for name in group if name not in self.dropped]
        if not left:
            return
        wanted = self.dropped | frozenset(left)
        # Without any part there is no patch.
        if len(wanted) < len(self.names) and self.keeps(self.attempt(wanted)):
            self.accepted.append(wanted)
            return
        if len(left) > 1:
            half = (len(left) + 1) // 2
            self._shed(left[:half])
            self._shed(left[half:])
