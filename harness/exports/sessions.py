"""All sessions of runs as ATIF, a file each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import UsageError
from harness.export_session import session_as_atif
from harness.exports.attempts import Export, attempts_of
from harness.store import RunFolder
from harness.strict_json import strict_json
from harness.whole_file import make_folder, write_atomic


def write_sessions(runs: Iterable[RunFolder], folder: Path) -> Export:
    """Write `RUN.ATTEMPT.json` for every attempt that has a session; those without one are named.

    Raises:
        StorageError: one cannot be written.
    """
    export = Export("atif", str(folder))
    make_folder(folder, "-o")
    for attempt in attempts_of(runs, export, controls=False):
        try:
            document = session_as_atif(attempt.folder, attempt.state)
        except UsageError as error:
            export.left_out.append(str(error).splitlines()[0])
            continue
        write_atomic(folder / f"{attempt.run.name}.{attempt.verdict.attempt}.json", strict_json(document) + "\n", "-o")
        export.rows += 1
    export.attempts = export.rows
    return export
