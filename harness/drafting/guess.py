"""Inputs for a function that was never seen at work: what its annotations and defaults allow."""

from __future__ import annotations

import ast
import re

from harness.drafting.function import BY_HAND, Function, Parameter
from harness.drafting.seen import Described, RecordedCall
from harness.errors import UsageError

_LENGTH = 1000
_WORDS = "abcdefghijklmnopqrstuvwxyz "


def guessed_call(function: Function) -> RecordedCall:
    """A call that the annotations allow; parameters with a default are left at it.

    Raises:
        UsageError: a parameter has neither a default nor an annotation that says enough.
    """
    given = {}
    for parameter in function.parameters:
        if parameter.default is None and parameter.kind not in ("stars", "double_stars"):
            given[parameter.name] = _from_annotation(function, parameter)
    return RecordedCall(arguments=given, result=Described(kind="none"))


def default_of(parameter: Parameter) -> object:
    """A parameter's default, if it is a literal; else something that is equal to nothing."""
    try:
        return ast.literal_eval(parameter.default or "")
    except (ValueError, SyntaxError):
        return object()


def _from_annotation(function: Function, parameter: Parameter) -> Described:
    annotation = re.sub(r"\b(typing|t|collections\.abc|np|numpy|npt|torch)\.", "", parameter.annotation or "")
    found = _described(annotation.replace(" | None", "").strip("'\""))
    if found is None:
        said = f"is annotated {parameter.annotation}" if parameter.annotation else "has no annotation"
        raise UsageError(
            f"{function.file}:{function.first}: nothing is known of the argument `{parameter.name}` of "
            f"{function.name}: it {said}, and no test that mentions the function calls it.",
            remedy=f"Show it at work: --trace 'python script.py' or --call '{function.name}(...)'. {BY_HAND}",
        )
    return found


def _described(annotation: str) -> Described | None:
    simple = {
        "int": Described(kind="int", low=_LENGTH, high=_LENGTH),
        "float": Described(kind="float", low=0.0, high=1.0),
        "bool": Described(kind="bool", low=False, high=False),
        "str": Described(kind="str", length=_LENGTH, text=_WORDS),
        "bytes": Described(kind="bytes", length=_LENGTH),
        "Tensor": Described(kind="tensor", dtype="float32", shape=[_LENGTH], low=-1.0, high=1.0),
    }
    if annotation in simple:
        return simple[annotation]
    if annotation.startswith(("ndarray", "NDArray", "ArrayLike")):
        whole = "int" in annotation
        return Described(kind="array", dtype="int64" if whole else "float64", shape=[_LENGTH], low=0 if whole else -1.0,
                         high=999 if whole else 1.0)  # fmt: skip
    inner = re.fullmatch(r"(?:list|List|Sequence|Iterable|Collection)\[(.+)\]", annotation)
    element = None if inner is None else _described(inner.group(1))
    if element is None:
        return None
    if element.kind == "int":
        element = Described(kind="int", low=0, high=999)
    if element.kind == "str":
        element = Described(kind="str", length=12, text=_WORDS[:12])
    flat = {"low": element.low, "high": element.high} if element.kind in ("int", "float") else {}
    return Described(kind="list", length=_LENGTH, items=[element], **flat)
