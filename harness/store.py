"""Where runs live on disk: one folder a run, one folder an attempt in it, and how people name them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import HarnessError, StorageError, UsageError
from harness.not_found import near, no_attempts, no_run, not_a_run
from harness.verdict import REFERENCE, Verdict
from harness.verdict_folder import holds_verdicts, read_state

LATEST = "latest"
_STAMP = re.compile(r"(\d{8}-\d{6})(?:-(\d+))?$")


@dataclass(frozen=True)
class AttemptFolder:
    """An attempt's folder and the files a finished attempt leaves in it."""

    path: Path

    @property
    def name(self) -> str:
        """The attempt's name."""
        return self.path.name

    @property
    def run(self) -> RunFolder:
        """The run it belongs to."""
        return RunFolder(self.path.parent)

    @property
    def prompt(self) -> Path:
        """What the agent was told."""
        return self.path / "prompt.md"

    @property
    def trajectory(self) -> Path:
        """What the agent did, one event a line."""
        return self.path / "trajectory.jsonl"

    @property
    def patch(self) -> Path:
        """The diff that was judged."""
        return self.path / "model_patch.diff"

    @property
    def left_patch(self) -> Path:
        """What the agent left in its worktree, where another tree was judged; see `harness.best_tree`."""
        return self.path / "left.diff"

    @property
    def verdict(self) -> Path:
        """The verdict as JSON."""
        return self.path / "verdict.json"

    @property
    def samples(self) -> Path:
        """Every raw timing sample."""
        return self.path / "samples.json"

    @property
    def build_log(self) -> Path:
        """What the build commands printed."""
        return self.path / "build.log"

    @property
    def tests(self) -> Path:
        """The tests' results, JUnit XML."""
        return self.path / "tests.xml"

    @property
    def brief(self) -> Path:
        """What the search strategy told it; see `harness.brief`."""
        return self.path / "brief.json"

    @property
    def outcome(self) -> Path:
        """How the agent ended and what it used up: there once its patch can be judged."""
        return self.path / "outcome.json"

    @property
    def files(self) -> dict[str, Path]:
        """All of the above by file name, whether they are there or not."""
        paths = (self.prompt, self.trajectory, self.patch, self.verdict, self.samples, self.build_log, self.tests)
        return {path.name: path for path in paths}

    def create(self) -> AttemptFolder:
        """Make the folder; one that is there already is kept.

        Raises:
            StorageError: it cannot be made.
        """
        make_folder(self.path)
        return self


@dataclass(frozen=True)
class RunFolder:
    """A run's folder."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The run's journal."""
        return self.path / "journal.jsonl"

    @property
    def plan(self) -> Path:
        """What the run was asked to do."""
        return self.path / "run.json"

    @property
    def admission(self) -> Path:
        """What admitting the base found."""
        return self.path / "admission.json"

    @property
    def nodes(self) -> Path:
        """What admitting the base found on each node of a cluster."""
        return self.path / "nodes.json"

    def attempt(self, name: str) -> AttemptFolder:
        """The folder of the attempt called `name`, made or not."""
        return AttemptFolder(self.path / name)

    @property
    def references(self) -> Path:
        """The task's reference figures, as they were when the run began; see `harness.references`."""
        return self.path / "references.json"

    @property
    def attempts(self) -> list[AttemptFolder]:
        """The attempts that have a folder, by name."""
        try:
            folders = [path for path in sorted(self.path.iterdir()) if path.is_dir()]
            return [AttemptFolder(path) for path in folders if not path.name.startswith(".")]
        except OSError as error:
            raise storage_error(error, self.path, "read") from error


def storage_error(error: OSError, path: Path, verb: str, option: str = "--out") -> StorageError:
    """The message for a folder or file that cannot be used: names it, says why, and the way out by `option`."""
    remedies = {
        errno.ENOSPC: f"Free some space, or choose a folder on another disk with {option}.",
        errno.ENOTDIR: f"A file stands where a folder is needed; choose another folder with {option}.",
        errno.EEXIST: f"A file stands where a folder is needed; choose another folder with {option}.",
        errno.ENAMETOOLONG: f"Choose a shorter folder with {option}.",
        errno.ENOENT: "The folder is gone; was it removed while the run lasted?",
    }
    remedies[errno.EDQUOT] = remedies[errno.EFBIG] = remedies[errno.ENOSPC]
    if verb == "make the folder" or option != "--out":
        remedies.pop(errno.ENOENT)
    remedy = remedies.get(error.errno or 0, f"Choose a folder that you may write to with {option}.")
    return StorageError(f"Cannot {verb} {path}: {error.strerror or error}.", remedy=remedy)


def make_folder(path: Path, option: str = "--out") -> None:
    """Make a folder and its parents; one that is there already is fine.

    Raises:
        StorageError: it cannot be made; says to choose another with `option`.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path, "make the folder", option) from error


def write_atomic(path: Path, content: str | bytes, option: str = "--out") -> None:
    """Write a file so that a reader, or a crash, sees all of it or none of it.

    Text is written as UTF-8; what UTF-8 cannot hold (lone surrogates) becomes question marks.

    Raises:
        StorageError: it cannot be written; no half-written file is left. Says to choose another place with `option`.
    """
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o644)  # mkstemp's 0600 would hide it from the team.
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path, "write", option) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def new_run_name(task: str, out: Path) -> str:
    """A name no run in `out` has yet: the task, then date and time in UTC, which never goes back in autumn."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{task}-{stamp}"
    suffix = 2
    while os.path.lexists(out / name):
        name = f"{task}-{stamp}-{suffix}"
        suffix += 1
    return name


def create_run(task: str, out: Path) -> RunFolder:
    """Make the folder of a new run; two processes that ask in the same second get two folders.

    Raises:
        StorageError: `out` cannot be made or written to.
    """
    make_folder(out)
    while True:
        path = out / new_run_name(task, out)
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise storage_error(error, path, "make the folder") from error
        return RunFolder(path)


def _age(run: RunFolder) -> tuple[str, int, str]:
    stamp = _STAMP.search(run.name)
    if stamp:
        return stamp.group(1), int(stamp.group(2) or 1), run.name
    with contextlib.suppress(OSError):
        modified = datetime.fromtimestamp(run.path.stat().st_mtime, UTC)
        return modified.strftime("%Y%m%d-%H%M%S"), 1, run.name
    return "", 0, run.name


def find_runs(out: Path) -> list[RunFolder]:
    """Every run in `out`, newest first; none where there is no such folder.

    Raises:
        StorageError: the folder cannot be read.
    """
    try:
        runs = [RunFolder(path) for path in out.iterdir() if (path / "journal.jsonl").is_file()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(error, out, "read") from error
    return sorted(runs, key=_age, reverse=True)


def is_run_folder(path: Path) -> bool:
    """Whether `create_run` made this folder, to judge by its name and by what is in it."""
    return _STAMP.search(path.name) is not None and (path / "journal.jsonl").is_file()


def _is_run(path: Path) -> bool:
    return os.path.isfile(path / "journal.jsonl") or holds_verdicts(path)  # noqa: PTH113 - Path's raises for some names


def find_run(out: Path, name: str | None = None) -> RunFolder:
    """The run a person means: its name, its folder, a folder of kept verdicts, or `latest` (the default).

    Raises:
        UsageError: there is no such run; names the nearest, or says what stands there instead.
    """
    wanted = None if name in (None, "", LATEST) else name
    if wanted is not None and _is_run(Path(wanted)):
        return RunFolder(Path(wanted))
    runs = find_runs(out)
    found = next((run for run in runs if wanted in (None, run.name)), None)
    if found is not None:
        return found
    if wanted is not None and os.path.exists(wanted):  # noqa: PTH110 - Path's raises where it may not look
        folders = [place for place in (Path(wanted), Path(wanted) / "runs") if place.is_dir()]
        newest = next((found[0].path for found in map(find_runs, folders) if found), None)
        raise not_a_run(Path(wanted), newest)
    raise no_run(wanted, out, [run.name for run in runs])


def find_attempt(out: Path, name: str | None = None) -> AttemptFolder:
    """The attempt a person means: RUN/ATTEMPT, its folder, or a RUN that has a single attempt.

    Raises:
        UsageError: there is no such attempt, or RUN alone could mean several; names the nearest.
    """
    wanted = (name or LATEST).rstrip("/")
    run_name, slash, attempt_name = wanted.rpartition("/")
    # What is there and is no attempt's folder is told of by itself, not as an attempt of what it lies in.
    there = _is_run(Path(wanted)) or (os.path.exists(wanted) and not _is_run(Path(run_name)))  # noqa: PTH110
    if slash and not there:
        run = find_run(out, run_name)
        attempts = run.attempts
        for attempt in attempts:
            if attempt.name == attempt_name:
                return attempt
        if not attempts:
            raise no_attempts(run, find_runs(out))
        remedy = near(attempt_name, [attempt.name for attempt in attempts], f"`harness show {run.name}`")
        raise UsageError(f"The run {run.name} has no attempt {attempt_name}.", remedy=remedy)
    run = find_run(out, wanted)
    attempts = run.attempts
    # The reference patch stands beside the attempts; who names the run means what the agent did.
    made = [attempt for attempt in attempts if attempt.name != REFERENCE]
    if len(made) == 1:
        return made[0]
    if not attempts:
        raise no_attempts(run, find_runs(out))
    where = run.name if wanted == LATEST else wanted
    names = ", ".join(f"{where}/{attempt.name}" for attempt in attempts[:8])
    more = f" and {len(attempts) - 8} more" if len(attempts) > 8 else ""
    raise UsageError(f"The run {run.name} has {len(attempts)} attempts.", remedy=f"Say which: {names}{more}.")


def read_verdicts(runs: Iterable[RunFolder], problems: list[str]) -> Iterator[Verdict]:
    """All verdicts of these runs, of which one after the other is in memory.

    Args:
        runs: as they are to be read.
        problems: takes a message for each run whose journal cannot be read: a damaged run must not hide the others.
    """
    for run in runs:
        try:
            verdicts = read_state(run.path).verdicts
        except HarnessError as error:
            problems.append(str(error))
        else:
            yield from verdicts
