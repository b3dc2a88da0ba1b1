"""Opening a board's database: a file of SQLite's, or a PostgreSQL server; brought up to date as it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, InfrastructureError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "harness_board_version"
_TABLES = ("verdicts", "documents")
_KINDS = ("sqlite", "postgresql")
# Any number, as long as nobody else's migrations take the same advisory lock.
_MIGRATION_LOCK = 7_313_609
_PATIENCE_SECONDS = 60


@contextmanager
def opened(where: str, *, create: bool) -> Iterator[Connection]:
    """A connection with a transaction, to a board with all tables of this version.

    Args:
        where: a URL (`postgresql://user@host/name`, `sqlite:///file`), or the path of a file.
        create: whether an SQLite file that is not there is made.

    Raises:
        UsageError: there is no such file or kind of database, it is no board, or a package is missing.
        InfrastructureError: the server does not answer, or refuses.
        HarnessError: the database was made by a newer version of the harness.
    """
    engine = _engine(where, create=create)
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - not everybody has it

    # As it was written, without what drives it and without its password.
    named = engine.url.set(drivername=engine.url.get_backend_name())
    shown = named.render_as_string(hide_password=True) if "://" in where else where
    try:
        with engine.connect() as connection:
            versions = _versions(connection)
        if not versions and not create:
            raise UsageError(
                f"{shown} is no board: nothing was ever published to it.",
                remedy=f"`harness publish --to {shown}` makes it one.",
            )
        if versions != [newest_version()]:
            with _exclusive(engine), engine.begin() as connection:
                _bound_waits(connection)
                _bring_up_to_date(connection, shown)
        with engine.begin() as connection:
            _bound_waits(connection)
            yield connection
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise InfrastructureError(
            f"The board {shown} cannot be used: {said[0] if said else type(error).__name__}",
            remedy=_FILE_REMEDY if engine.dialect.name == "sqlite" else _SERVER_REMEDY,
        ) from error
    finally:
        engine.dispose()


def _engine(where: str, *, create: bool) -> Engine:
    try:
        from sqlalchemy import create_engine, make_url  # noqa: PLC0415 - not everybody has it
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "A board in a database needs SQLAlchemy and Alembic.", remedy="pip install 'perf-harness[board]'"
        ) from error
    if not where.strip():
        raise UsageError("No database is named.", remedy=_REMEDY)
    if where.lower() in _DRIVERS and not Path(where).exists():  # `export-data --to` takes a kind; this is an address
        raise UsageError(f"{where!r} is a kind of database, and no address of one.", remedy=_REMEDY)
    try:
        url = make_url(where if "://" in where else f"sqlite:///{where}")
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    except ArgumentError as error:
        raise UsageError(f"{where!r} is no address of a database.", remedy=_REMEDY) from error
    if url.get_backend_name() not in _KINDS:
        raise UsageError(f"A board cannot be in {url.get_backend_name()}.", remedy=_REMEDY)
    if url.get_backend_name() == "sqlite":
        _require_file(url.database, create=create)
    try:
        return create_engine(url, connect_args=_patience(url.get_backend_name(), url.query))
    except (ImportError, NoSuchModuleError) as error:
        raise UsageError(
            "A board in PostgreSQL needs its driver.", remedy="pip install 'perf-harness[postgres]'"
        ) from error


def _patience(backend: str, asked: Mapping[str, object]) -> dict[str, int]:
    """How long a database that does not answer is waited for, where its address does not say it."""
    if backend == "sqlite":
        return {"timeout": _PATIENCE_SECONDS}
    # A machine that was switched off in the middle says nothing, and would be waited for until the system gives up.
    ours = {"connect_timeout": _PATIENCE_SECONDS, "keepalives_idle": 30, "tcp_user_timeout": 1000 * _PATIENCE_SECONDS}
    return {name: value for name, value in ours.items() if name not in asked}


def _bound_waits(connection: Connection) -> None:
    """Wait for what another process has locked as long as SQLite does; PostgreSQL would for ever."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE_SECONDS}s'")


_REMEDY = "Write postgresql://user@host/name, sqlite:///FILE, or the path of a file."
_SERVER_REMEDY = "Check that the server runs, that the name and the rights are right, and that the disk is not full."
_FILE_REMEDY = (
    "Check that nobody else holds it, that it may be written, and that the disk is not full. What was published from "
    "journals can be again: `harness publish --to` another file."
)


def _require_file(database: str | None, *, create: bool) -> None:
    if not database or database == ":memory:":
        raise UsageError("A board in memory would be gone at once.", remedy=_REMEDY)
    path = Path(database)
    if path.is_dir():
        raise UsageError(
            f"{path} is a folder, and a board is a file.", remedy=f"Name a file, as in {path}/board.sqlite."
        )
    if not create and not path.is_file():
        raise UsageError(f"There is no board {path}.", remedy="`harness publish --to FILE` makes one.")
    if path.is_file() and path.stat().st_size and _first_bytes(path, 15) != b"SQLite format 3":
        raise UsageError(f"{path} is no SQLite database.", remedy="Choose another file; this one is not touched.")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path.parent}: cannot be made ({error.strerror}).", remedy="Choose another file.") from error


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


@contextmanager
def _exclusive(engine: Engine) -> Iterator[None]:
    """Two that open a new board at once must not both make its tables."""
    if engine.url.get_backend_name() == "sqlite":
        from filelock import FileLock  # noqa: PLC0415

        file = Path(str(engine.url.database)).absolute()
        with FileLock(file.parent / f".{file.name}.lock"):
            yield
        return
    yield  # PostgreSQL's own advisory lock is taken inside the transaction


def _versions(connection: Connection) -> list[str] | None:
    """What the database says of its version; None for one that is no board. One of the newest needs no migration.

    Such a board can be read where it cannot be written. Without Alembic, which takes longer to import than a large
    board to rank.
    """
    from sqlalchemy import inspect, text  # noqa: PLC0415 - not everybody has it

    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return list(connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}")))  # noqa: S608


def newest_version() -> str:
    """The version of this harness's boards: the last migration's, as its file is called."""
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v*_*.py"))


def _bring_up_to_date(connection: Connection, shown: str) -> None:
    """Run the migrations that this database has not seen."""
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415
    from sqlalchemy import inspect, text  # noqa: PLC0415

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    else:
        # Python's driver would begin with the first row that is written: tables made before would outlive a crash.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    taken = set(inspect(connection).get_table_names()) & set(_TABLES)
    if taken and not _versions(connection):
        raise UsageError(
            f"{shown} has a table {min(taken)} that is not of a board, or of one that was never finished.",
            remedy="Choose another file or database.",
        )
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise HarnessError(
            f"The board {shown} was made by a newer version of the harness ({error}).",
            remedy="Install that version, or publish to another board.",
        ) from error
