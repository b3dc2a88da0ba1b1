"""Source as Python takes it: by its own rules for encodings, and as deeply nested as it may be."""

from __future__ import annotations

import ast
import io
import sys
import threading
import tokenize
from collections.abc import Callable
from typing import TypeVar

# Nesting that is parsed, which is C and uses the stack up, and calls of Python to look through as much.
_PARSED_DEPTH, _READ_DEPTH = 3000, 40_000
_LIMIT = threading.Lock()

T = TypeVar("T")


class TooDeep(Exception):
    """Source nested deeper than Python compiles unless its limits are raised first."""


def other_encoding(source: bytes) -> str | None:
    """How Python reads a file if not as UTF-8; None where it does.

    In UTF-7 what looks like a comment can be code, to a person as well as to a program that reads UTF-8.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError as error:  # an encoding that is not known yet: other code may be about to bring it
        return str(error)
    return None if encoding in ("utf-8", "utf-8-sig") else f"it declares {encoding}"


def with_parsed(source: bytes, look: Callable[[ast.Module], list[T]]) -> list[T]:
    """What `look` finds in a file; nothing for what is not Python.

    Nesting uses up calls, and we are deeper in calls than whoever imports the file: what it can import is read, if
    need be by a higher limit.

    Raises:
        TooDeep: it is nested deeper than that.
    """
    try:
        return _look(source, look)
    except RecursionError:
        pass
    with _LIMIT:
        usual = sys.getrecursionlimit()
        try:
            sys.setrecursionlimit(max(usual, _PARSED_DEPTH))
            module = _parse(source)
            sys.setrecursionlimit(max(usual, _READ_DEPTH))
            return [] if module is None else look(module)
        except RecursionError as error:
            raise TooDeep from error
        finally:
            sys.setrecursionlimit(usual)


def _look(source: bytes, look: Callable[[ast.Module], list[T]]) -> list[T]:
    module = _parse(source)
    return [] if module is None else look(module)


def _parse(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    except MemoryError as error:  # the parser's word for too deep
        raise RecursionError from error
