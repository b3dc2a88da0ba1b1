"""Placebos: edits that change bytes and no meaning, a run that judges them blind, a board that counts them."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from records import verdict
from test_run import FAST, record_session
from tiny_task import TinyTask

from harness.errors import UsageError
from harness.events import AttemptFinished, Event, RunStarted
from harness.find_run import find_attempt
from harness.leaderboard import leaderboard
from harness.leaderboard_forms import boards_json, boards_markdown
from harness.leaderboard_tables import board_table
from harness.placebo import blank_lines, comment, editable, placebo, rename_local, same_meaning, swap_imports
from harness.run import RunOptions, RunOutcome, run_task
from harness.run_lines import load_run_line

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*sorted((ROOT / "harness").rglob("*.py")), ROOT / "tasks/moe_align/target/moe_align/align.py"]
CPP = (ROOT / "tasks/moe_align_native/target/csrc/align.cpp").read_text()


@pytest.mark.parametrize("edit", [comment, blank_lines, rename_local, swap_imports])
def test_every_edit_of_real_code_means_the_same(edit: object) -> None:
    made = 0
    for path in SOURCES:
        text = path.read_text()
        edited = edit(text, random.Random(path.name))  # type: ignore[operator]
        if edited is not None:
            made += 1
            assert edited != text
            assert same_meaning(text, edited), path
    assert made > len(SOURCES) / 2


def test_a_changed_meaning_is_noticed() -> None:
    text = "def f(a, b):\n    total = a - b\n    return total\n"
    assert same_meaning(text, text.replace("total", "other"))
    for old, new in [("a - b", "b - a"), ("a - b", "a + b"), ("def f", "def g"), ("return total", "return 1")]:
        assert not same_meaning(text, text.replace(old, new)), new
    assert not same_meaning(text, "def f(:\n")


@pytest.mark.parametrize(
    "body",
    [
        "x = 1\n    return lambda: x",
        "x = 1\n    return f'{x}'",
        "x = 1\n    return locals()",
        "x = 1\n    return [x for _ in 'ab']",
        "global x\n    x = 1",
        "import os as x\n    return x",
        "return a",
    ],
)
def test_a_name_that_something_else_sees_keeps_its_name(body: str) -> None:
    assert rename_local(f"def f(a):\n    {body}\n", random.Random(0)) is None


def test_a_local_with_the_name_of_an_import_keeps_it() -> None:
    text = "import os.path as way\ndef f(a):\n    way = a\n    return way.join(a)\n"
    assert rename_local(text, random.Random(0)) is None  # or it would be compiled in another way


def test_a_decorated_function_keeps_its_source() -> None:
    assert rename_local("@jit\ndef f(a):\n    b = a\n    return b\n", random.Random(0)) is None


def test_no_placebo_equals_the_original() -> None:
    for text in ("", "x = 1", '"""Doc."""\n', "def f():\n    return 1\n", "from __future__ import annotations\n"):
        for seed in range(20):
            edited = placebo("a.py", text, random.Random(seed))
            assert edited != text
            assert same_meaning(text, edited), edited
    assert len({placebo("a.py", SOURCES[-1].read_text(), random.Random(seed)) for seed in range(30)}) == 30


def test_cpp_is_given_a_comment() -> None:
    edited = placebo("align.cpp", CPP, random.Random(1))
    added = set(edited.splitlines()) - set(CPP.splitlines())
    assert len(added) == 1 and added.pop().startswith("// ")
    assert placebo("a.cpp", 'x = R"(\n\n)";', random.Random(1)).splitlines()[-1].startswith("// ")


def test_what_can_be_edited() -> None:
    names = ["a/x.py", "a/x.txt", "b/x.py", "a/y.cu"]
    assert editable(names, ["a/*"]) == ["a/x.py", "a/y.cu"]


def start(tiny: TinyTask, tmp_path: Path, **options: object) -> tuple[RunOutcome, list[Event]]:
    events: list[Event] = []
    folders = {"out": tmp_path / "runs", "worktrees": tmp_path / "worktrees"}
    return run_task(RunOptions(task=str(tiny.file), **(folders | options)), events.append), events  # type: ignore[arg-type]


def test_placebos_and_the_reference_are_judged_beside_the_attempts(tiny: TinyTask, tmp_path: Path) -> None:
    record_session(tiny, tmp_path, ("apply_patch", {"patch": FAST}), ("submit", {"summary": "x"}))
    (tiny.folder / "reference.diff").write_bytes(tiny.patch("range(20)", "range(1)"))
    tiny.edit_task("recorded:", "reference_patch: reference.diff\nrecorded:")
    outcome, events = start(tiny, tmp_path, placebos=2, seed=5)

    finished = [event for event in events if isinstance(event, AttemptFinished)]
    assert [event.attempt for event in finished] == ["001", "002", "003", "reference"]
    agents = [event.verdict.agent for event in finished]
    assert sorted(agents[:3]) == ["placebo", "placebo", "replay"]
    assert agents[3] == "reference"
    placebos = [found for found in outcome.verdicts if found.agent == "placebo"]
    assert [found.status for found in placebos] == ["same", "same"]
    assert all(found.patch is not None and found.patch.files == ["tiny/core.py"] for found in placebos)
    assert placebos[0].patch != placebos[1].patch
    assert outcome.verdicts[3].status == "faster"
    assert [found.agent for found in outcome.judged] == ["replay"]
    started = next(event for event in events if isinstance(event, RunStarted))
    assert (started.attempts, started.controls) == (1, 3)

    line = load_run_line(outcome.run_folder)
    assert line.as_json()["judged"] == 1
    assert line.best is not None and line.best.agent == "replay"
    [board] = leaderboard(outcome.verdicts)
    assert [row.agent for row in board.rows] == ["replay"]
    assert board.reference is not None and board.reference.faster == 1
    assert board.false_wins is not None and (board.false_wins.faster, board.false_wins.placebos) == (0, 2)
    # An agent sees nothing of the reference: neither the file nor what it came to.
    assert "reference" not in outcome.run_folder.attempt(line.best.attempt or "").prompt.read_text()


def test_the_name_of_a_run_means_its_attempt_and_not_the_reference(tmp_path: Path) -> None:
    for name in ("001", "reference"):
        (tmp_path / "run" / name).mkdir(parents=True)
    (tmp_path / "run" / "journal.jsonl").write_text("")
    assert find_attempt(tmp_path, "run").name == "001"


def test_placebos_count_for_no_exit_code(tmp_path: Path) -> None:
    from harness.store import RunFolder

    lost = RunOutcome(RunFolder(tmp_path), [verdict("infra_failed"), verdict("same", 1.0, agent="placebo")])
    assert lost.exit_code == 4


def test_a_target_no_placebo_can_be_made_of_is_said_before_anything_runs(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.edit_task("target_files: [tiny/core.py]", "target_files: [README.md]")
    with pytest.raises(UsageError, match=r"No placebo can be made of README\.md"):
        start(tiny, tmp_path, agent="nop", placebos=1)
    assert list((tmp_path / "runs").iterdir()) == []


def rendered(verdicts: list[object]) -> str:
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), width=100)
    for board in leaderboard(verdicts):  # type: ignore[arg-type]
        console.print(board_table(board))
    assert isinstance(console.file, io.StringIO)
    return " ".join(console.file.getvalue().split())


def test_the_board_says_how_often_nothing_won() -> None:
    placebos = [verdict("same", 1.0, agent="placebo") for _ in range(7)]
    lucky, lost = verdict("faster", 1.1, agent="placebo"), verdict("infra_failed", agent="placebo")
    judged = [verdict(), verdict("faster", 9.0, agent="reference"), *placebos, lucky, lost]
    [board] = leaderboard(judged)
    assert [(row.rank, row.agent) for row in board.rows] == [(1, "replay")]
    assert board.false_wins is not None
    assert (board.false_wins.faster, board.false_wins.placebos) == (1, 8)
    # Wilson's interval for 1 of 8, to the percent (Newcombe 1998, method 3).
    sentence = "False wins: 1 of 8 placebos came out faster, 12% [2%, 47%]."
    assert sentence in rendered(judged)
    markdown = boards_markdown([board])
    assert sentence in markdown
    assert "| - | reference |" in markdown and "placebo |" not in markdown
    document = boards_json([board])[0]
    assert document["false_wins"]["placebos"] == 8  # type: ignore[index]
    assert document["reference"]["rank"] == 0  # type: ignore[index]


def test_a_board_without_placebos_says_so() -> None:
    sentence = "No placebos were run"
    assert sentence in rendered([verdict()])
    assert sentence in boards_markdown(leaderboard([verdict()]))
    assert boards_json(leaderboard([verdict()]))[0]["false_wins"] is None


def test_the_verb_takes_placebos() -> None:
    import subprocess

    ended = subprocess.run(
        [sys.executable, "-m", "harness.cli", "run", "--help"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "--placebos" in ended.stdout
