"""What `harness leaderboard` shows: boards of agents or of single attempts, and below them reference figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from harness.leaderboard import Board, By, boards_of
from harness.result import Result

# A board of 100,000 verdicts is there within a second: what it can do without is imported where it is used.
if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.attempt_board import AttemptBoard
    from harness.references import References
    from harness.store import RunFolder
    from harness.verdict import Verdict

Rows = By | Literal["attempt"]


@dataclass(frozen=True)
class Ranking:
    """Boards of one kind or the other; `references` and `notes` by the name of their task."""

    agents: list[Board] = field(default_factory=list)
    attempts: list[AttemptBoard] = field(default_factory=list)
    references: dict[str, References] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def boards(self) -> Sequence[Board | AttemptBoard]:
        """The boards, whichever they are."""
        return self.agents or self.attempts

    def on(self, device: str) -> Ranking:
        """The boards of one device."""
        return replace(
            self,
            agents=[board for board in self.agents if board.device == device],
            attempts=[board for board in self.attempts if board.device == device],
        )

    def below(self, board: Board | AttemptBoard) -> References | None:
        """The reference figures that are shown below this board: the same ones once, below the last that has them."""
        found = self.references.get(board.task)
        if found is None:
            return None
        last = [each for each in self.boards if self.references.get(each.task) == found][-1]
        return found if board is last else None

    def note(self, board: Board | AttemptBoard) -> str:
        """What whoever kept its verdicts tells of them; empty for those of runs."""
        found = self.notes.get(board.task)
        return f"{board.task}: {found}" if found else ""

    def as_json(self) -> dict[str, Any]:
        """Boards and, apart from them, reference figures by task."""
        from harness.leaderboard_forms import boards_json  # noqa: PLC0415
        from harness.reference_forms import references_json  # noqa: PLC0415

        figures = {task: references_json(found) for task, found in self.references.items()}
        boards = boards_json(self.agents) or [board.model_dump() for board in self.attempts]
        return {"boards": boards, "references": figures, "notes": self.notes}

    def markdown(self) -> str:
        """All boards, then a section of reference figures for each task that has some."""
        from harness.attempt_board_forms import attempts_markdown  # noqa: PLC0415
        from harness.leaderboard_forms import boards_markdown  # noqa: PLC0415
        from harness.reference_forms import references_markdown  # noqa: PLC0415
        from harness.text import markdown_cell  # noqa: PLC0415

        text = attempts_markdown(self.attempts) if self.attempts else boards_markdown(self.agents)
        text += "".join(f"\n{markdown_cell(note)}\n" for note in dict.fromkeys(map(self.note, self.boards)) if note)
        figures = [references_markdown(found, level=3) for found in map(self.below, self.boards) if found]
        return "\n".join([text, *(f"{each}\n" for each in figures)]) if figures else text

    def csv(self) -> str:
        """Boards alone: a file of one table has no place for figures of another kind."""
        from harness.attempt_board_forms import attempts_csv  # noqa: PLC0415
        from harness.leaderboard_forms import boards_csv  # noqa: PLC0415

        return attempts_csv(self.attempts) if self.attempts else boards_csv(self.agents)

    def rendered(self, *, all_figures: bool = False) -> list[RenderableType]:
        """For the terminal; of reference figures the first table, unless all are asked for."""
        from harness.attempt_board_forms import attempts_table  # noqa: PLC0415
        from harness.leaderboard_tables import boards_rendered  # noqa: PLC0415
        from harness.reference_forms import references_rendered  # noqa: PLC0415
        from harness.text import safe  # noqa: PLC0415

        parts: list[RenderableType] = []
        for board in self.boards:
            parts += boards_rendered([board]) if isinstance(board, Board) else [attempts_table(board)]
            if note := self.note(board):
                parts.append(safe(note))
            if found := self.below(board):
                parts += references_rendered(board.task, found, whole=all_figures)
        return parts


@dataclass(frozen=True)
class Found:
    """What is to be ranked, each task's newest reference figures and notes, and what could not be read.

    `verdicts` are gone over once, for they may be more than fit in memory; the others are whole when that is done.
    """

    verdicts: Iterable[Verdict | Result]
    references: dict[str, References] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


def rank(found: Found, *, by: Rows, mix: bool = False) -> Ranking:
    """Rank verdicts, an agent or an attempt a row, with the reference figures of the tasks that have a board."""
    if by == "attempt":
        from harness.attempt_board import attempt_boards  # noqa: PLC0415

        ranking = Ranking(attempts=attempt_boards(found.verdicts, mix=mix))
    else:
        ranking = Ranking(agents=boards_of(_results(found.verdicts), by=by, mix=mix))
    tasks = {board.task for board in ranking.boards}
    return replace(
        ranking,
        references={task: figures for task, figures in found.references.items() if task in tasks},
        notes={task: note for task, note in found.notes.items() if task in tasks},
    )


def _results(verdicts: Iterable[Verdict | Result]) -> Iterator[Result]:
    for each in verdicts:
        if isinstance(each, Result):
            yield each
        elif each.was_judged:
            yield Result.of(each)


def read_folders(folders: Iterable[RunFolder], *, task: str | None = None) -> Found:
    """Read runs, the newest first and one after the other; with `task` only what belongs to that one."""
    from harness.verdict_folder import read_verdicts  # noqa: PLC0415

    references: dict[str, References] = {}
    notes: dict[str, str] = {}
    problems: list[str] = []

    def verdicts() -> Iterator[Verdict]:
        for folder in folders:
            tasks = set()
            for verdict in read_verdicts([folder], problems):
                tasks.add(verdict.task)
                if task in (None, verdict.task):
                    yield verdict
            add_references(references, folder, tasks, problems)
            _add_note(notes, folder, tasks, problems)

    return Found(verdicts(), references, problems, notes)


def _add_note(notes: dict[str, str], folder: RunFolder, tasks: set[str], problems: list[str]) -> None:
    """Add what is told of a folder of kept verdicts for those of its tasks of which nothing is told yet."""
    from harness.errors import StorageError  # noqa: PLC0415
    from harness.verdict_folder import kept_note  # noqa: PLC0415

    try:
        note = kept_note(folder.path)
    except StorageError as error:
        problems.append(str(error))
        return
    for task in tasks if note else ():
        notes.setdefault(task, note)


def add_references(references: dict[str, References], run: RunFolder, tasks: set[str], problems: list[str]) -> None:
    """Add a run's reference figures for those of its tasks that have none yet, or say why they cannot be read."""
    from harness.references import kept_references  # noqa: PLC0415

    if tasks <= references.keys():
        return
    figures, problem = kept_references(run.references)
    if problem:
        problems.append(problem)
    if figures:
        references |= {task: figures for task in tasks if task not in references}
