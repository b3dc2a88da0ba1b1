"""What is timed where no task is given: small operations of the kinds that targets are made of."""

from typing import Any

_NAMES = [f"name-{number}" for number in range(256)]


def tally(seed: int, length: int) -> list[int]:
    """Count names drawn by a linear congruential generator: strings, a dictionary, integers, a loop.

    How fast a dictionary of strings is depends on the hash seed and on where things lie in memory. Most of the
    noise between processes comes from there, so this is a hard case and not an easy one.
    """
    counts: dict[str, int] = {}
    state = seed
    for _ in range(length):
        state = (1103515245 * state + 12345) & 0x7FFFFFFF
        name = _NAMES[state >> 23]
        counts[name] = counts.get(name, 0) + 1
    return [counts.get(name, 0) for name in _NAMES]


def scale(values: Any, repeats: int) -> Any:  # noqa: ANN401 - a tensor; torch is imported only where there is one
    """A chain of elementwise kernels on a tensor, for a GPU."""
    for _ in range(repeats):
        values = values * 1.5 + 0.25
    return values
