"""Chooses the device, and Triton's interpreter where there is no GPU."""

import os

import torch

if not torch.cuda.is_available():
    # Read when the kernels are defined, so it must stand before the package is imported.
    os.environ["TRITON_INTERPRET"] = "1"
    # The interpreter shares two cores with torch; more threads only get in its way.
    torch.set_num_threads(2)
