"""Runs agents on a task, judges their patches, and keeps the evidence."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("perf-harness")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
