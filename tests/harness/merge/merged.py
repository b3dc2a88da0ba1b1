"""A run over the tiny task as a run leaves it, without waiting for one: only its numbers are made up."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from records import story, verdict, write_run
from synthetic_runs import a_measurement
from tiny_task import TinyTask

from agent.loop import AgentOutcome
from harness.events import RunStarted
from harness.kept import keep_outcome
from harness.merge.bundle import archive
from harness.patch import apply, take_diff
from harness.source import seal
from harness.store import AttemptFolder
from harness.strict_json import strict_json
from harness.task_file import load_task
from harness.verdict import PatchStats, Verdict

Files = dict[str, bytes]
RUN = "tiny-20261121-004512"


def git(cwd: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    ended = subprocess.run(["git", *identity, *arguments], cwd=cwd, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def commit_all(repository: Path, message: str = "more") -> str:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(repository, "rev-parse", "HEAD")


def make_repository(folder: Path) -> str:
    git(folder, "init", "--quiet", "-b", "main")
    return commit_all(folder, "first")


def finished_run(
    tiny: TinyTask, out: Path, scratch: Path, *, said: str | None = None, diff: bytes | None = None, **changes: object
) -> AttemptFolder:
    """One attempt of a run on the tiny task, with the patch `diff` (20 rounds become one) and its verdict."""
    text = tiny.patch("range(20)", "range(1)") if diff is None else diff
    loaded = load_task(str(tiny.file))
    base = seal(loaded, scratch / "sealed.git")
    checkout, file = scratch / "checkout", scratch / "patch.diff"
    base.check_out(checkout)
    file.write_bytes(text)
    apply(base, file, checkout)
    patch = take_diff(base, checkout)
    stats = PatchStats(
        path="001/model_patch.diff",
        sha256=patch.sha256,
        files=patch.files,
        insertions=patch.insertions,
        deletions=patch.deletions,
    )
    judged = verdict(**{"run": RUN, "task": "tiny", "patch": stats, "base_commit": base.commit, **changes})
    events = [
        event.model_copy(update={"task_file": str(tiny.file), "base_commit": base.commit, "base_tree": base.tree})
        if isinstance(event, RunStarted)
        else event
        for event in story(judged)
    ]
    folder = write_run(out, judged, events).attempt("001")
    folder.patch.write_bytes(patch.text)
    if said is not None:
        keep_outcome(folder, AgentOutcome(ended="submitted", detail=said))
    return folder


def keep_samples(folder: AttemptFolder, judged: Verdict, seed: int = 1) -> None:
    """Raw samples that scatter about a verdict's numbers, as the judge keeps them."""
    measured = a_measurement(judged, random.Random(seed))
    kept = {"selection": measured.model_dump(), "confirmation": measured.model_dump()}
    folder.samples.write_text(strict_json(kept) + "\n")


def write(tmp_path: Path, data: bytes) -> Path:
    file = tmp_path / "evil.tar.gz"
    file.write_bytes(data)
    return file


def with_manifest(files: Files, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A bundle whose manifest was changed, and says the right hashes of everything in it."""
    manifest = json.loads(files["manifest.json"])
    rest = {name: data for name, data in files.items() if name != "manifest.json"}
    manifest["files"] = {
        name: {"sha256": sha256(data).hexdigest(), "size": len(data), "executable": False}
        for name, data in rest.items()
    }
    change(manifest)
    return archive(rest | {"manifest.json": json.dumps(manifest).encode()})
