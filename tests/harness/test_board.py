"""The team's board: in SQLite and in a real PostgreSQL server, published to again and again and from several sides."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import harness
from records import AT, COMMIT, HOSTILE, story, verdict, write_run

from harness.board.database import MIGRATIONS, newest_version, opened
from harness.board.publish import publish
from harness.board.read import read_board
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.events import AttemptFinished, AttemptStarted, RunFinished, RunStarted
from harness.journal import Journal, read_events
from harness.leaderboard import boards_of, leaderboard
from harness.result import Result
from harness.store import RunFolder, find_runs
from harness.verdict import Cost, Verdict
from harness.verdict_folder import read_verdicts

pytest.importorskip("sqlalchemy")


def postgres_programs() -> Path | None:
    """The folder of the newest PostgreSQL that is installed."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *Path("/usr/pgsql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    candidates = sorted(found, key=lambda path: path.parts[-3]) or ([Path(on_path)] if on_path else [])
    return candidates[-1].resolve().parent if candidates else None


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this module's own, and the address of its first database."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL is installed (apt-get install postgresql)")
    pytest.importorskip("psycopg")
    # It refuses to run as root; a socket's path must be short.
    other = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    folder = Path(f"/tmp/board-{os.getpid()}-{time.monotonic_ns() % 10**6}")
    folder.mkdir(mode=0o700)
    if other:
        shutil.chown(folder, "nobody", "nogroup")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, env = folder / "data", {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "team", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=folder,
        env=env,
        **other,  # type: ignore[call-overload]
    )
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=env,
        **other,  # type: ignore[call-overload]
    )
    try:
        give_up = time.monotonic() + 30
        while subprocess.run(
            [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], check=False, capture_output=True
        ).returncode:
            assert server.poll() is None and time.monotonic() < give_up
            time.sleep(0.1)
        yield f"postgresql://team@127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


_made = iter(range(1_000_000))


@pytest.fixture(params=["sqlite", "postgres"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty board."""
    if request.param == "sqlite":
        return str(tmp_path / "team" / "board.sqlite")
    import psycopg

    server = request.getfixturevalue("postgres")
    name = f"board{next(_made)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def documents(board: str) -> list[Verdict]:
    """The whole verdicts that a board keeps."""
    from sqlalchemy import select

    from harness.board.tables import DOCUMENTS

    with opened(board, create=False) as connection:
        return [Verdict.model_validate_json(text) for text in connection.scalars(select(DOCUMENTS.c.document))]


def two_runs(out: Path) -> list[RunFolder]:
    write_run(out, verdict(run="moe_align-20261121-004512"))
    write_run(out, verdict("incorrect", run="moe_align-20261121-004513", agent="loop", model="m"))
    return find_runs(out)


def test_a_board_that_somebody_holds_is_not_waited_for_for_ever(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import text

    runs = two_runs(tmp_path / "runs")
    publish(runs, board)
    monkeypatch.setattr("harness.board.database._PATIENCE_SECONDS", 1)
    with opened(board, create=False) as holder:
        held = "LOCK TABLE verdicts" if "://" in board else "UPDATE verdicts SET task = task"
        holder.execute(text(held))
        with pytest.raises(InfrastructureError, match=r"cannot be used: .*lock"):
            publish(runs, board)
    assert publish(runs, board).verdicts == 2


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr("harness.board.database._PATIENCE_SECONDS", 2)  # the least that its driver knows
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://team@127.0.0.1:{silent.getsockname()[1]}/board"
        with pytest.raises(InfrastructureError, match=r"cannot be used: .*timeout"):
            publish(two_runs(tmp_path / "runs"), address)


def test_a_server_that_goes_away_in_the_middle_has_nothing_of_it(postgres: str, tmp_path: Path) -> None:
    from sqlalchemy import text

    runs = two_runs(tmp_path / "runs")
    address = f"{postgres}/postgres"
    with pytest.raises(InfrastructureError, match="cannot be used"), opened(address, create=True) as connection:
        connection.execute(text("UPDATE verdicts SET task = 'x'"))
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert publish(runs, address).new == 2


def test_what_is_published_is_read_back_and_publishing_again_changes_nothing(board: str, tmp_path: Path) -> None:
    runs = two_runs(tmp_path / "runs")
    first = publish(runs, board)
    assert (first.verdicts, first.new, first.problems) == (2, 2, [])
    results = list(read_board(board))
    assert {each.run for each in results} == {run.name for run in runs}
    assert Result.of(verdict(run="moe_align-20261121-004512")) in results
    assert verdict(run="moe_align-20261121-004512") in documents(board)
    again = publish(runs, board)
    assert (again.verdicts, again.new) == (2, 0)
    assert list(read_board(board)) == results


def test_a_board_ranks_to_the_last_digit_as_its_journals_do(board: str, tmp_path: Path) -> None:
    rng, runs = random.Random(5), []
    for number in range(6):
        name = f"moe_align-20261121-00451{number}"
        judged = [
            verdict(
                rng.choice(["faster", "faster", "same", "slower", "incorrect", "infra_failed"]),
                rng.choice([1.5, rng.uniform(0.8, 4)]),
                run=name,
                attempt=f"{attempt:03d}",
                task=("sort", "hash")[number % 2],
                agent=rng.choice(["a", "b"]),
                model=rng.choice([None, "m"]),
                cost=Cost(usd=rng.random(), seconds=rng.random()),
            )
            for attempt in range(1, 20)
        ]
        finished = RunFinished(at=AT, run=name, attempts=judged)
        runs.append(write_run(tmp_path, judged[0], [*story(judged[0])[:1], finished]))
    publish(runs, board)
    publish(runs[:2], board)
    verdicts = list(read_verdicts(runs, []))
    assert boards_of(read_board(board)) == leaderboard(verdicts)
    of_one = [each for each in verdicts if each.task == "sort" and each.run in (runs[0].name, runs[1].name)]
    assert boards_of(read_board(board, task="sort", runs=[run.name for run in runs[:2]])) == leaderboard(of_one)
    assert len(boards_of(read_board(board, task="sort"))) == 1
    assert list(read_board(board, task="nothing")) == []


def test_a_run_that_went_on_is_brought_up_to_date(board: str, tmp_path: Path) -> None:
    before, after = verdict("infra_failed"), verdict(speedup=2.0)
    run = write_run(tmp_path, before)
    publish([run], board)
    more = verdict(attempt="002")
    with Journal(run.journal) as journal:
        journal.append(AttemptStarted(at=AT, attempt="001"))
        journal.append(AttemptFinished(at=AT, attempt="001", verdict=after))
        journal.append(AttemptFinished(at=AT, attempt="002", verdict=more))
        journal.append(RunFinished(at=AT, run=run.name, attempts=[after, more]))
    done = publish([run], board)
    assert (done.verdicts, done.new) == (2, 1)
    assert sorted(read_board(board), key=str) == sorted(map(Result.of, (after, more)), key=str)
    assert {each.attempt: each for each in documents(board)} == {"001": after, "002": more}


def test_runs_of_one_name_from_two_machines_are_two_runs(board: str, tmp_path: Path) -> None:
    mine = write_run(tmp_path / "mine", verdict(speedup=2.0))
    events = story(verdict(speedup=3.0))
    assert isinstance(events[0], RunStarted)
    events[0] = events[0].model_copy(update={"at": "2026-11-21T00:45:12.250+00:00", "base_commit": COMMIT[::-1]})
    theirs = write_run(tmp_path / "theirs", verdict(speedup=3.0), events)
    assert mine.name == theirs.name
    assert publish([mine], board).new == 1
    assert publish([theirs], board).new == 1
    assert len(list(read_board(board))) == 2


def test_whatever_a_model_writes_can_be_published(board: str, tmp_path: Path) -> None:
    odd = verdict(message=f"{HOSTILE}\0", model=f"m\0{HOSTILE}", agent="'; DROP TABLE verdicts; --")
    publish([write_run(tmp_path, odd)], board)
    assert next(read_board(board)).agent == odd.agent
    assert documents(board)[0].message.startswith("[bold red]")


def test_several_that_publish_at_once_to_a_new_board_lose_nothing(board: str, tmp_path: Path) -> None:
    for number in range(4):
        write_run(tmp_path / "runs", verdict(run=f"moe_align-20261121-00451{number}", message=f"run {number}"))
    line = [sys.executable, "-m", "harness.cli", "publish", "--to", board, "--out", str(tmp_path / "runs")]
    started = [subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    assert len(list(read_board(board))) == 4


def test_a_damaged_run_is_left_out_and_said_so(board: str, tmp_path: Path) -> None:
    runs = two_runs(tmp_path)
    runs[0].journal.write_text('{"event": "nonsense"}\n{}\n')
    done = publish(runs, board)
    assert done.verdicts == 1
    assert runs[0].name in done.problems[0]


def test_a_board_of_a_newer_version_is_not_touched(board: str, tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    publish(two_runs(tmp_path), board)
    url = f"sqlite:///{board}" if "://" not in board else board.replace("postgresql", "postgresql+psycopg")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE harness_board_version SET version_num = '9999'"))
    with pytest.raises(HarnessError, match="newer version"):
        publish(two_runs(tmp_path), board)
    engine.dispose()


def test_the_migrations_make_what_the_tables_say(board: str, tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from harness.board.database import VERSION_TABLE
    from harness.board.tables import METADATA

    with opened(board, create=True) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, METADATA) == []


def test_the_newest_version_is_the_last_migration() -> None:
    from alembic.script import ScriptDirectory

    assert newest_version() == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_a_board_of_an_older_version_is_brought_up_to_date(board: str, tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import text

    runs = two_runs(tmp_path)
    publish(runs, board)
    results, kept = sorted(read_board(board), key=str), sorted(documents(board), key=str)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with opened(board, create=False) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        assert len(connection.execute(text("SELECT document FROM verdicts")).all()) == 2
    assert sorted(read_board(board), key=str) == results
    assert sorted(documents(board), key=str) == kept
    assert all(result.seconds > 0 for result in results)
    assert publish(runs, board).new == 0


@pytest.mark.parametrize(
    ("where", "kind", "words"),
    [
        ("mysql://me:secret@host/board", UsageError, "cannot be in mysql"),
        ("://", UsageError, "no address"),
        ("sqlite://", UsageError, "in memory"),
        ("postgresql://team:secret@127.0.0.1:1/board", InfrastructureError, "cannot be used"),
    ],
)
def test_an_address_that_is_none_is_told_without_its_password(
    tmp_path: Path, where: str, kind: type[HarnessError], words: str
) -> None:
    with pytest.raises(kind, match=words) as refused:
        publish(two_runs(tmp_path), where)
    assert "secret" not in str(refused.value)


_KILLED_AFTER = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from harness.board.database import opened
left = [int(sys.argv[2])]
@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, *_):
    left[0] -= not statement.startswith(("PRAGMA", "SELECT"))
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
with opened(sys.argv[1], create=True):
    pass
"""


@pytest.mark.parametrize("statements", [2, 4, 5, 8, 10, 12])
def test_a_migration_that_is_killed_leaves_the_board_as_it_was(statements: int, tmp_path: Path) -> None:
    """In the middle of SQLite's way to drop a column, the table of verdicts is gone for a moment."""
    runs, board = two_runs(tmp_path), str(tmp_path / "board.sqlite")
    line = [sys.executable, "-c", _KILLED_AFTER, board, str(statements)]
    killed = subprocess.run(line, capture_output=True, cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -9, killed.stderr
    with pytest.raises(UsageError, match="nothing was ever published to it"):
        list(read_board(board))
    assert publish(runs, board).new == 2
    assert len(list(read_board(board))) == 2


@pytest.mark.parametrize("table", ["verdicts", "documents"])
def test_a_database_of_something_else_gets_no_tables(board: str, table: str, tmp_path: Path) -> None:
    """Nor by being read, as an empty one."""
    from sqlalchemy import create_engine, inspect, text

    url = f"sqlite:///{board}" if "://" not in board else board.replace("postgresql", "postgresql+psycopg")
    if "://" not in board:
        Path(board).parent.mkdir(parents=True)
        Path(board).touch()
    engine = create_engine(url)
    with pytest.raises(UsageError, match="is no board: nothing was ever published to it"):
        list(read_board(board))
    assert inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {table} (of_the_court TEXT)"))
    with pytest.raises(UsageError, match=f"has a table {table} that is not of a board"):
        publish(two_runs(tmp_path), board)
    assert inspect(engine).get_table_names() == [table]
    engine.dispose()


def test_a_file_that_is_something_else_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thesis.txt").write_text("Chapter 1. It was a dark and stormy night.")
    with pytest.raises(UsageError, match="no SQLite database"):
        publish(two_runs(tmp_path / "runs"), str(tmp_path / "thesis.txt"))
    with pytest.raises(UsageError, match="There is no board"):
        list(read_board(str(tmp_path / "nowhere.sqlite")))
    assert not (tmp_path / "nowhere.sqlite").exists()
    with pytest.raises(UsageError, match=r"is a folder, and a board is a file\.\n.*board\.sqlite"):
        publish(two_runs(tmp_path / "runs"), str(tmp_path))
    with pytest.raises(UsageError, match="No database is named"):
        publish(two_runs(tmp_path / "runs"), " ")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="'sqlite' is a kind of database, and no address"):
        publish(two_runs(tmp_path / "runs"), "sqlite")
    assert not (tmp_path / "sqlite").exists()


def test_without_its_packages_a_board_says_which(tmp_path: Path) -> None:
    """As after `make run`, which installs what a run needs and no more."""
    write_run(tmp_path / "runs", verdict(run="moe_align-20261121-004512"))
    (tmp_path / "sqlalchemy.py").write_text("raise ModuleNotFoundError(\"No module named 'sqlalchemy'\")\n")
    for line in (["publish", "--to", "board.sqlite"], ["leaderboard", "--from", "board.sqlite"]):
        said = harness(tmp_path, *line)
        assert (said.returncode, said.stdout) == (2, "")
        assert said.stderr.startswith("error: A board in a database needs SQLAlchemy and Alembic.\n")


def test_the_verbs_say_what_is_missing(tmp_path: Path) -> None:
    nothing = harness(tmp_path, "publish", "--to", "board.sqlite", "--out", "elsewhere")
    assert (nothing.returncode, nothing.stdout) == (0, "No runs in elsewhere yet: nothing was published.\n")
    write_run(tmp_path / "begun", verdict(), story(verdict())[:1])
    begun = harness(tmp_path, "publish", "--to", "board.sqlite", "--out", "begun")
    assert begun.stdout == "Nothing was judged yet: nothing was published.\n"
    assert not (tmp_path / "board.sqlite").exists()

    write_run(tmp_path / "runs", verdict(run="moe_align-20261121-004512"))
    assert harness(tmp_path, "publish", "--to", "board.sqlite").stdout == "1 verdict is on the board, 1 new.\n"
    for source in (["--from", "board.sqlite"], []):
        other = harness(tmp_path, "leaderboard", *source, "--task", "sort")
        where = "on this board" if source else "in runs"
        assert other.stdout == f"No attempts {where} of task sort. Leave that out to see what there is.\n"
    no_run = harness(tmp_path, "leaderboard", "--from", "board.sqlite", "mine")
    assert no_run.stdout == "No attempts on this board of run mine. Leave that out to see what there is.\n"
    assert "Usage: harness publish [OPTIONS] [RUN]..." in harness(tmp_path, "publish", "-h").stdout


def test_the_verbs_publish_and_rank(tmp_path: Path) -> None:
    two_runs(tmp_path / "runs")
    cli = [sys.executable, "-m", "harness.cli"]
    board = str(tmp_path / "board.sqlite")
    done = subprocess.run(
        [*cli, "publish", "--to", board, "--out", str(tmp_path / "runs")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "2 verdicts are on the board, 2 new.\n"
    ranked = subprocess.run(
        [*cli, "leaderboard", "--from", board, "--format", "csv"], capture_output=True, text=True, check=True
    )
    local = subprocess.run(
        [*cli, "leaderboard", "--out", str(tmp_path / "runs"), "--format", "csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ranked.stdout == local.stdout
    assert len(read_events(find_runs(tmp_path / "runs")[0].journal)) > 2
