"""Chooses Triton's interpreter where there is no GPU."""

import os

import torch

if not torch.cuda.is_available():
    # Read when kernels are defined, so it must stand before the module is loaded.
    os.environ["TRITON_INTERPRET"] = "1"
