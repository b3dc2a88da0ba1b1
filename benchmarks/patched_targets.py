"""A task's target with patches applied, loaded side by side."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from harness.task_file import BUNDLED

MOE_ALIGN = BUNDLED / "moe_align"
RECORD = MOE_ALIGN / "records" / "h100" / "reference.diff"


def load_module(name: str, file: Path) -> ModuleType:
    """A module from its file."""
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def parse_patches(
    parser: argparse.ArgumentParser, patches: Sequence[Path], *, taken: Sequence[str] = ("base",)
) -> list[Path | None]:
    """None for the base, then the patches; what cannot be benchmarked ends the command with one sentence.

    Args:
        parser: whose command line it was.
        patches: as they were named.
        taken: names in the table that no patch may have.
    """
    import torch  # noqa: PLC0415 - slow to import

    names = [*taken, *map(name_of, patches)]
    missing = next((patch for patch in patches if not patch.is_file()), None)
    if missing is not None:
        parser.error(f"there is no patch {missing}")
    if len(set(names)) < len(names):
        parser.error(f"the patches' names must differ from each other and from {', '.join(taken)}: {', '.join(names)}")
    if not torch.cuda.is_available():
        parser.error(f"needs a CUDA GPU, and torch {torch.__version__} finds none")
    return [None, *patches]


def load_align(patch: Path | None, root: Path) -> ModuleType:
    """`align.py` of the MoE alignment target with the patch applied, from a copy at `root`, which must not exist."""
    file = patched(MOE_ALIGN / "target", patch, root) / "moe_align" / "align.py"
    return load_module(f"moe_align_{root.name}", file)


def name_of(patch: Path | None) -> str:
    """A patch's name: its folder's, where it is a `model_patch.diff`; `base` for none.

    `reference.diff` goes by the attempt it is a copy of: figures outlive the day on which that was the record.
    """
    if patch is None:
        return "base"
    if patch.name == RECORD.name and patch.is_file():
        attempts = sorted(patch.resolve().parent.glob("*/model_patch.diff"))
        patch = next((each for each in attempts if each.read_bytes() == patch.read_bytes()), patch)
    return patch.resolve().parent.name if patch.stem == "model_patch" else patch.stem


def patched(target: Path, patch: Path | None, root: Path) -> Path:
    """A copy of the target with the patch applied."""
    subprocess.run(["cp", "-r", str(target), str(root)], check=True)
    if patch is not None:
        # A repository around it would have git apply the patch there, which is nowhere, and say nothing.
        environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(root.resolve().parent)}
        done = subprocess.run(
            ["git", "apply", str(patch.resolve())],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            sys.exit(f"{patch} does not apply to {target}: {done.stderr.strip()}")
    return root
