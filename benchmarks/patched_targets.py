"""A task's target with patches applied, loaded side by side."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from harness.task import BUNDLED

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


def load_align(patch: Path | None, root: Path) -> ModuleType:
    """`align.py` of the MoE alignment target with the patch applied, from a copy at `root`, which must not exist."""
    file = patched(MOE_ALIGN / "target", patch, root) / "moe_align" / "align.py"
    return load_module(f"moe_align_{root.name}", file)


def name_of(patch: Path | None) -> str:
    """A patch's name: its folder's, where it is a `model_patch.diff`; `base` for none."""
    if patch is None:
        return "base"
    return patch.resolve().parent.name if patch.stem == "model_patch" else patch.stem


def patched(target: Path, patch: Path | None, root: Path) -> Path:
    """A copy of the target with the patch applied."""
    subprocess.run(["cp", "-r", str(target), str(root)], check=True)
    if patch is not None:
        subprocess.run(["git", "apply", str(patch.resolve())], cwd=root, check=True)
    return root
