"""Loads vLLM's `fused_moe.py`, and nothing else of vLLM, which is not built here.

What the file imports from vLLM stands in: settings, a logger, the platform, the registration of operators. Of the
compiled operators two matter to the alignment. `moe_align_block_size` and `sgl_moe_align_block_size` do what the
compiled ones do, on the device, by calling the file's own `moe_align_block_size_triton`: for every number of experts
the base is the four Triton stages, which are all of the alignment that this file holds. Whatever else is asked for
raises AttributeError.

In a script of your own, from the root of the tree: `from moe_align_tests.standing_in import load; fused_moe = load()`.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
LAYERS = "vllm.model_executor.layers"


def load(root: str | Path = ROOT) -> Any:  # noqa: ANN401 - a module of vLLM's, whose names no checker knows
    """Import `vllm/model_executor/layers/fused_moe/fused_moe.py` below `root`, anew.

    Returns:
        The module. Where there is no GPU its kernels run on the CPU, through Triton's interpreter.
    """
    if not torch.cuda.is_available():
        os.environ["TRITON_INTERPRET"] = "1"
    for name in [each for each in sys.modules if each.partition(".")[0] == "vllm"]:
        del sys.modules[name]
    for package in ("vllm", "vllm.model_executor", LAYERS, f"{LAYERS}.quantization", f"{LAYERS}.quantization.utils"):
        _stand_in(package).__path__ = []
    _stand_in(f"{LAYERS}.fused_moe").__path__ = [str(Path(root) / LAYERS.replace(".", "/") / "fused_moe")]
    _stand_in("vllm.envs", VLLM_ENABLE_MOE_ALIGN_BLOCK_SIZE_TRITON=True, VLLM_FUSED_MOE_CHUNK_SIZE=32768)
    _stand_in("vllm.logger", init_logger=logging.getLogger)
    _stand_in("vllm.platforms", current_platform=_Platform())
    _stand_in("vllm.utils", direct_register_custom_op=_not_registered)
    _stand_in(f"{LAYERS}.quantization.utils.fp8_utils", per_token_group_quant_fp8=_not_built)
    operators = _stand_in("vllm._custom_ops")

    module = importlib.import_module(f"{LAYERS}.fused_moe.fused_moe")

    def align(*arguments: Any) -> None:  # noqa: ANN401 - the compiled operators take these in the same order
        module.moe_align_block_size_triton(*arguments)  # looked up at every call: a changed one is in effect

    operators.moe_align_block_size = operators.sgl_moe_align_block_size = align
    return module


class _Stand(ModuleType):
    """A module with nothing in it but what it is given."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - anything may be asked for
        raise AttributeError(f"{self.__name__}.{name} is not here: {self.__name__} only stands in, vLLM is not built")


class _Platform:
    simple_compile_backend = "eager"  # of a function that the alignment does not call


def _stand_in(name: str, **content: object) -> Any:  # noqa: ANN401 - see `load`
    module = _Stand(name)
    vars(module).update(content)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    return module


def _not_registered(**_: object) -> None:
    """Operators are not registered with torch: the alignment is none of them."""


def _not_built(*_: object) -> None:
    raise NotImplementedError("vLLM is not built here")
