"""What machine a measurement ran on: two verdicts compare only on equal device names."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

import psutil

from harness.timing.gpu import open_gpu
from harness.verdict import Device

_PACKAGES = ("torch", "triton", "numpy")


def describe_device(kind: str) -> Device:
    """The device of kind `cpu` or `cuda`, with the versions that matter to a timing."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    name, memory_bytes = _processor_name(), psutil.virtual_memory().total
    multiprocessors = l2_mb = None
    if kind == "cuda":
        import torch  # noqa: PLC0415 - seconds to import, and only needed where there is a GPU

        properties = torch.cuda.get_device_properties(0)
        name, memory_bytes = properties.name, properties.total_memory
        multiprocessors, l2_mb = properties.multi_processor_count, round(properties.L2_cache_size / 2**20, 1)
        versions |= {"cuda": str(torch.version.cuda), "driver": _driver()}
    return Device(
        kind=kind,
        name=name,
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(memory_bytes / 2**30, 1),
        platform=f"{platform.system()} {platform.release()} {platform.machine()} ({sys.implementation.name})",
        versions=versions,
        multiprocessors=multiprocessors,
        l2_mb=l2_mb,
    )


def _driver() -> str:
    with open_gpu() as gpu:
        return gpu.driver


def _processor_name() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
