"""How a patch goes onto a newer tree: as it is, by a three-way merge, not at all, or it is there already."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.git import GitError, Repository, run_git
from harness.patch import take_diff

Fits = Literal["cleanly", "merged", "already_there", "conflict"]


@dataclass(frozen=True)
class Fit:
    """How a patch goes onto a tree.

    Attributes:
        how: `cleanly` (git apply takes it), `merged` (a three-way merge does, whole), `already_there` (the tree has the
            change), `conflict`.
        text: the same change as a diff of that tree; empty where there is none to make.
        message: what git says about a conflict.
    """

    how: Fits
    text: bytes = b""
    message: str = ""


def fit(patch: Path, onto: Repository, objects: Sequence[Path], scratch: Path) -> Fit:
    """Put a patch onto a tree.

    Args:
        patch: the diff's file.
        onto: the tree, sealed.
        objects: folders of git objects in which the files that the patch was made on may be found.
        scratch: a folder of ours for the checkout.
    """
    checkout = scratch / "fit"
    onto.check_out(checkout)
    file = str(patch.resolve())
    with onto.index_over(checkout) as index:
        env = index | {"GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(map(str, objects))}
        # A three-way merge takes the index for the checkout only where it has seen the files.
        run_git(checkout, "update-index", "-q", "--refresh", env=env)
        how: Fits = "cleanly"
        problem = _applied(checkout, env, file)
        if problem:
            if not _applied(checkout, env, "--check", "--reverse", file):
                return Fit("already_there")
            how = "merged"
            if _applied(checkout, env, "--3way", file):
                return Fit("conflict", message=problem)
    diff = take_diff(onto, checkout)
    return Fit(how, diff.text) if diff.changes else Fit("already_there")


def _applied(checkout: Path, env: dict[str, str], *arguments: str) -> str:
    """Run `git apply`; what it complains about, or nothing."""
    try:
        run_git(checkout, "apply", "--whitespace=nowarn", *arguments, env=env)
    except GitError as error:
        return "; ".join(line.removeprefix("error: ") for line in error.stderr.splitlines()) or "it does not apply"
    return ""
