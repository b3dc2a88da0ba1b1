"""Python's search for cycles, held off where it would find none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """Many records are about to be made, and none is in a cycle.

    The search starts anew each time their number has grown by a quarter, and goes through all there are: of the time
    that a long journal takes to read, it would be three quarters. What is dropped is freed all the same.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
