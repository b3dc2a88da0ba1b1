"""Where runs live on disk: one folder a run, one folder an attempt in it."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.whole_file import make_folder, storage_error

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
