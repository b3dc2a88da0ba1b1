"""Whether an output is what was expected: every element, with a tolerance by its type. For the `check` of a bench."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

# Relative to an element and, where elements cancel, to the largest one: another order of summing must pass, another
# algorithm of less precision must not.
TOLERANCES = {
    "float": 1e-9,
    "float64": 1e-9,
    "complex128": 1e-9,
    "float32": 1e-5,
    "complex64": 1e-5,
    "float16": 1e-2,
    "bfloat16": 2e-2,
}


def difference(  # noqa: PLR0911 - a case for each kind of value
    expected: Any,  # noqa: ANN401 - trees of plain data, arrays and tensors
    found: Any,  # noqa: ANN401
    tolerances: Mapping[str, float] = TOLERANCES,
    where: str = "output",
) -> str | None:
    """What is wrong with `found`, in a sentence that names the first wrong element; None if nothing is.

    Integers, texts and truth values must be equal, NaN is equal to NaN, a tuple may not have become a list, and an
    array has the expected type and shape.

    Args:
        expected: the oracle's.
        found: as it came from the worker.
        tolerances: type of number -> relative tolerance; what is not in it must be equal.
        where: what the value is called.
    """
    arrays = _arrays(expected, found)
    if arrays is not None:
        return _array_difference(expected, found, *arrays, tolerances, where)
    if isinstance(expected, tuple | list):
        kind = tuple if isinstance(expected, tuple) else list
        if type(found) is not kind or len(found) != len(expected):
            return f"{where}: expected a {kind.__name__} of {len(expected)}, found {_named(found)}"
        pairs = (
            difference(*pair, tolerances, f"{where}[{at}]") for at, pair in enumerate(zip(expected, found, strict=True))
        )
        return next((wrong for wrong in pairs if wrong is not None), None)
    if isinstance(expected, dict):
        if type(found) is not dict or found.keys() != expected.keys():
            return f"{where}: expected a dict with keys {_shortened(list(expected))}, found {_named(found)}"
        inner = (difference(value, found[key], tolerances, f"{where}[{key!r}]") for key, value in expected.items())
        return next((wrong for wrong in inner if wrong is not None), None)
    if type(found) is not type(expected):
        return f"{where}: expected {_shortened(expected)}, found {_named(found)}"
    equal = found == expected
    if isinstance(expected, float):
        tolerance = tolerances.get("float", 0.0)
        both_nan = math.isnan(expected) and math.isnan(found)
        equal = both_nan or math.isclose(expected, found, rel_tol=tolerance, abs_tol=0.0)
    return None if equal else f"{where}: expected {_shortened(expected)}, found {_shortened(found)}"


def _arrays(expected: Any, found: Any) -> tuple[Any, Any] | None:  # noqa: ANN401
    """Both as NumPy's, where arrays, NumPy scalars or tensors are expected; None where something else is."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(expected, torch.Tensor):
        if type(found) is not torch.Tensor:
            return expected, None
        both = [each.detach().cpu() for each in (expected, found)]
        return tuple((each.float() if each.dtype == torch.bfloat16 else each).resolve_neg().numpy() for each in both)
    if numpy is not None and isinstance(expected, numpy.ndarray | numpy.generic):
        same = isinstance(found, numpy.ndarray) == isinstance(expected, numpy.ndarray)
        return numpy.asarray(expected), numpy.asarray(found) if same and hasattr(found, "dtype") else None
    return None


def _array_difference(
    expected: Any,  # noqa: ANN401
    found: Any,  # noqa: ANN401
    wanted: Any,  # noqa: ANN401
    got: Any,  # noqa: ANN401
    tolerances: Mapping[str, float],
    where: str,
) -> str | None:
    import numpy as np  # noqa: PLC0415 - only where an array is expected

    dtype = str(expected.dtype).removeprefix("torch.")
    kind = f"{dtype} of shape {list(wanted.shape)}"
    if got is None:
        return f"{where}: expected {type(expected).__name__} {kind}, found {_named(found)}"
    if found.dtype != expected.dtype or got.shape != wanted.shape:
        return f"{where}: expected {kind}, found {str(found.dtype).removeprefix('torch.')} of shape {list(got.shape)}"
    if wanted.dtype.kind not in "fc":
        wrong = wanted != got
    else:
        tolerance = tolerances.get(dtype, 0.0)
        finite = np.abs(wanted[np.isfinite(wanted)])
        largest = float(finite.max()) if finite.size else 0.0
        wrong = ~np.isclose(got, wanted, rtol=tolerance, atol=tolerance * largest, equal_nan=True)
    if not np.any(wrong):
        return None
    first = tuple(int(each) for each in np.argwhere(wrong)[0]) if wanted.ndim else ()
    more = f"; {int(np.sum(wrong))} of {wanted.size} elements are wrong" if wanted.size > 1 else ""
    at = f"{where}[{', '.join(map(str, first))}]" if first else where
    return f"{at}: expected {wanted[first]}, found {got[first]}{more}"


def _named(value: object) -> str:
    size = f" of {len(value)}" if isinstance(value, list | tuple | dict | str | bytes) else ""
    return f"{type(value).__name__}{size}"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:119]}…"
