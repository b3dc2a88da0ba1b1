"""The tiny task with a longer target, and a patch of three hunks for it: a helper, what uses it, and a bystander."""

from __future__ import annotations

from pathlib import Path

from tiny_task import TinyTask, make_tiny_task

CORE = '''\
"""The slow part."""


SCALE = 1


def name():
    """What this module is called."""
    return "tiny"


def description():
    """What it is for."""
    return "sums of squares"


def total(values):
    """The sum of the squares of a list of integers."""
    result = 0
    for value in values:
        for _ in range(20):  # the work a first version does too often
            square = value * value
        result += square
    return result


def mean(values):
    """The mean of the squares, by another way than total."""
    result = 0
    count = 0
    for value in values:
        result = result + value * value
        count = count + 1
    return result / count


def last(values):
    """The last one."""
    return values[-1]
'''

HELPER = "SCALE = 1\n\n\ndef _square(value):\n    return value * value * SCALE\n"
LOOP = "        for _ in range(20):  # the work a first version does too often\n            square = value * value\n"
USE = "        square = _square(value)\n"
PATCHED = (
    CORE.replace("SCALE = 1\n", HELPER)
    .replace(LOOP, USE)
    .replace('    """The last one."""\n', '    """The last one of them."""\n')
)


def make_ablation_task(folder: Path) -> tuple[TinyTask, bytes]:
    """The task, and the patch: its hunks are h1 (the helper), h2 (which carries the gain) and h3 (needless)."""
    tiny = make_tiny_task(folder)
    tiny.core.write_text(CORE)
    return tiny, tiny.patch(CORE, PATCHED)
