"""A slowdown of known size in a target's own source: what the package exports does its work twice.

Unlike a call made twice, it goes the way every patch goes: applied, built, imported. It catches what that way can
get wrong: stale bytecode or artefacts, another copy of the package on the path, a bench that calls something else.
"""

from __future__ import annotations

import ast

from harness.exported import parsed

_WRAPPER = """

def _made_slower(function):
    import functools

    @functools.wraps(function)
    def twice(*args, **kwargs):
        if _inside:  # called by one that is being done twice already
            return function(*args, **kwargs)
        _inside.append(True)
        try:
            function(*args, **kwargs)
            return function(*args, **kwargs)
        finally:
            _inside.pop()

    return twice


_inside = []
"""


def slowed(text: str, exported: set[str]) -> str | None:
    """A Python source whose exported functions do everything twice; None where it defines none of them.

    Decorated functions stay as they are: what their decorator makes of them may be no function.
    """
    tree = parsed(text)
    if tree is None:
        return None
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.decorator_list]
    names = [node.name for node in functions if node.name in exported]
    if not names:
        return None
    end = "" if text.endswith("\n") else "\n"
    return text + end + _WRAPPER + "".join(f"{name} = _made_slower({name})\n" for name in names)
