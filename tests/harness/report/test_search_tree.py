"""The search tree: what went on from what is told as the briefs say, and a run without a search has none."""

from __future__ import annotations

from pathlib import Path

import pytest
from records import AT, HOSTILE, verdict
from synthetic_runs import started, write_synthetic_run

from harness.events import AttemptBriefed, AttemptFinished, AttemptStarted, Event
from harness.journal import encode_event
from harness.report.build import html_report, json_report, markdown_report
from harness.report.material import RunMaterial, read_run
from harness.report.search_tree import search_tree
from harness.run_state import fold
from harness.show import load_shown
from harness.store import RunFolder


def _brief(attempt: str, *parents: str, **changes: object) -> AttemptBriefed:
    fields = {
        "strategy": "evolve",
        "kind": ("fresh", "refine", "crossover")[min(2, len(parents))],
        "parents": list(parents),
        "start_from": parents[0] if parents else None,
    }
    return AttemptBriefed.model_validate({"at": AT, "attempt": attempt, **fields, **changes})


def _run(folder: RunFolder, *briefs: AttemptBriefed, speedups: dict[str, float | None]) -> RunMaterial:
    """A run whose attempts came to these speedups; None is one that failed, and who is not named has only a brief."""
    events: list[Event] = [started(folder.name, len(briefs))]
    for brief in briefs:
        events.append(brief)
        name = brief.attempt
        if name in speedups:
            judged = verdict("faster" if speedups[name] else "incorrect", speedups[name], attempt=name, run=folder.name)
            events += [AttemptStarted(at=AT, attempt=name), AttemptFinished(at=AT, attempt=name, verdict=judged)]
        folder.attempt(name).create()
    folder.journal.write_text("".join(encode_event(event) + "\n" for event in events))
    return read_run(folder)


def test_the_line_of_the_best_is_followed_to_its_root(tmp_path: Path) -> None:
    run = _run(
        RunFolder(tmp_path / "run"),
        _brief("001"),
        _brief("002"),
        _brief("003", "001"),
        _brief("004", "003", "002", island=1, hints=["sort"]),
        _brief("005", "002"),
        _brief("006", "004"),
        speedups={"001": 1.5, "002": 1.2, "003": 1.9, "004": 2.5, "005": None},
    )
    tree = search_tree(run)
    assert tree is not None and tree.islands and tree.strategy == "evolve"
    assert [node.name for node in tree.nodes if node.leads_to_best] == ["001", "003", "004"]
    fourth = tree.nodes[3]
    assert (fourth.kind, fourth.start_from, fourth.shown, fourth.island) == ("crossover", "003", ["002"], 1)
    assert [node.status for node in tree.nodes] == ["faster"] * 4 + ["incorrect", "waiting"]
    assert tree.chart is not None and "3 of which began with another's patch" in tree.chart.description
    assert "its line: 001, 003, 004." in tree.chart.description
    html, markdown, json = html_report(run), markdown_report(run), json_report(run)
    assert 'id="search"' in html and "the patch of 003" in markdown and '"start_from": "003"' in json
    assert "By evolve: crossover of 003, 002, begins with the patch of 003, island 1." in html and "hint: sort" in html
    shown = load_shown(run.folder.attempt("004"))
    assert shown.run.briefs["004"].hints == ["sort"]


def test_a_run_whose_attempts_all_began_from_nothing_shows_no_search(tmp_path: Path) -> None:
    briefs = [_brief(f"00{number}", strategy="best-of-n") for number in (1, 2)]
    run = _run(RunFolder(tmp_path / "run"), *briefs, speedups={"001": 2.0, "002": 3.0})
    assert search_tree(run) is None
    assert 'id="search"' not in html_report(run) and "## Search" not in markdown_report(run)


@pytest.mark.parametrize("parents", [("001",), ("002", "001"), ("nobody",)])
def test_a_record_that_makes_no_sense_ends_no_page(tmp_path: Path, parents: tuple[str, ...]) -> None:
    """Attempts that descend from themselves, from each other, or from nobody."""
    run = _run(
        RunFolder(tmp_path / "run"),
        _brief("001", *parents),
        _brief("002", "001"),
        speedups={"001": 2.0, "002": 3.0},
    )
    assert "The search" in html_report(run)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    nasty = HOSTILE.encode(errors="replace").decode()
    brief = _brief("002", nasty, strategy=nasty, kind=nasty, hints=[nasty])
    run = _run(RunFolder(tmp_path / "run"), _brief("001"), brief, speedups={"001": 2.0, "002": 3.0})
    html = html_report(run)
    assert "evil" in html and "</b><script>" not in html and "\x1b" not in html and "\u202e" not in html


def test_the_last_word_of_a_brief_counts() -> None:
    state = fold([_brief("001"), _brief("002"), _brief("002", "001")])
    assert [brief.start_from for brief in state.briefs.values()] == [None, "001"]


def test_a_large_search_stays_within_the_size_of_a_report(tmp_path: Path) -> None:
    folder = write_synthetic_run(tmp_path, 300, samples=0, search=True)
    assert len(html_report(read_run(folder)).encode()) < 3_000_000
