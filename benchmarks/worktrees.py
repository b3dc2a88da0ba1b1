"""An attempt's worktree against git's own `worktree add`, on a repository of 4,000 files (64 MB).

Alternating, for a disk's mood changes by the minute: `python -m benchmarks.worktrees [ROUNDS]`.
"""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import worktree
from harness.git import Repository, clean_environment, run_git
from harness.quiet import noisy

FILES, BYTES = 4_000, 16_384


def make_repository(folder: Path) -> Repository:
    """A bare repository with one commit of many files of random text."""
    files = folder / "files"
    rng = random.Random(1)
    for number in range(FILES):
        path = files / f"d{number % 50:02d}" / f"f{number:04d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rng.randbytes(BYTES // 2).hex())
    bare = folder / "base.git"
    run_git(folder, "init", "--quiet", "--bare", str(bare))
    env = {"GIT_DIR": str(bare), "GIT_WORK_TREE": str(files)}
    run_git(files, "add", "--all", env=env)
    tree = run_git(files, "write-tree", env=env).decode().strip()
    who = {f"GIT_{role}_{what}": "b@b.invalid" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    commit = run_git(files, "commit-tree", tree, "-m", "Base", env=env | who).decode().strip()
    run_git(files, "update-ref", "refs/heads/base", commit, env=env)
    return Repository(path=bare, commit=commit, tree=tree)


def seconds_of_git(repository: Repository, path: Path) -> float:
    """Git alone."""
    start = time.perf_counter()
    line = ["git", "worktree", "add", "--quiet", "--detach", str(path), repository.commit]
    subprocess.run(line, cwd=repository.path, env=clean_environment(), check=True)
    return time.perf_counter() - start


def seconds_of_ours(repository: Repository, path: Path) -> float:
    """The harness: lock, prune, add."""
    start = time.perf_counter()
    worktree.add(repository, path)
    return time.perf_counter() - start


def main() -> None:
    """Print both times and their ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory(prefix="bench-worktrees-") as name:
        folder = Path(name)
        repository = make_repository(folder)
        run_git(folder, "version")  # what importing GitPython takes is no worktree's cost
        times: dict[str, list[float]] = {"git": [], "harness": []}
        for number in range(rounds):
            order = [("git", seconds_of_git), ("harness", seconds_of_ours)]
            random.shuffle(order)
            for kind, add in order:
                path = folder / f"{kind}-{number}"
                with noisy():  # others' measurements are not felt, and waiting for them is no worktree's cost
                    times[kind].append(add(repository, path))
                shutil.rmtree(path)
        ratio = statistics.median(ours / git for ours, git in zip(times["harness"], times["git"], strict=True))
        for kind, taken in times.items():
            print(f"{kind:8} {statistics.median(taken):.3f} s  (of {rounds}: {min(taken):.3f} to {max(taken):.3f})")
        print(f"harness / git: {ratio:.3f} (median of pairs)")


if __name__ == "__main__":
    main()
