"""What a function was seen to be called with, as `harness/probe/recording.py` tells it.

It was told by processes that ran the repository's code, and some of it ends up in the source of a bench: names are
names, types are types, and everything else is written as a literal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Kind = Literal[
    "none", "bool", "int", "float", "str", "bytes", "list", "tuple", "dict", "array", "scalar", "tensor", "callable",
    "lazy", "other",
]  # fmt: skip
Size = Annotated[int, Field(ge=0)]
Dotted = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
Number = bool | int | Annotated[float, Field(allow_inf_nan=True)]


class Described(BaseModel):
    """A value: its kind, and what of the rest that kind has."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    low: Number | None = None
    high: Number | None = None
    length: Size | None = None
    text: str = ""
    dtype: Annotated[str, StringConstraints(pattern=r"^\??[\w<>=|\[\], ().'-]*$")] = ""
    shape: list[Size] = []
    items: list[Described] = []
    entries: list[tuple[Described, Described]] = []
    sorted: bool = False
    distinct: bool = False
    finite: bool = True
    grad: bool = False
    device: str = ""
    module: Dotted | None = None
    name: Dotted | None = None
    type: str = ""

    def sizes(self, depth: int = 0) -> Iterator[int]:
        """Lengths and dimensions, to the second level."""
        yield from self.shape
        if self.kind in ("list", "tuple", "dict", "bytes") or (self.kind == "str" and (self.length or 0) > LONG_TEXT):
            yield self.length or 0
        if depth < 1:
            for each in [*self.items, *(value for _, value in self.entries)]:
                yield from each.sizes(depth + 1)

    def elements(self) -> int:
        """About how much there is of it."""
        if self.shape or self.kind in ("array", "tensor"):
            found = 1
            for size in self.shape:
                found *= size
            return found
        inner = [each.elements() for each in [*self.items, *(value for _, value in self.entries)]]
        return max(1, self.length or 0) * max(1, sum(inner) // len(inner) if inner else 1)

    def foreign(self) -> Iterator[str]:
        """Types in it that a bench cannot make or send."""
        if self.kind == "other" or self.dtype.startswith("?"):
            yield self.type or self.dtype.removeprefix("?")
        for each in [*self.items, *(part for entry in self.entries for part in entry)]:
            yield from (each.type or "a function",) if each.kind == "callable" else each.foreign()


LONG_TEXT = 64


class RecordedCall(BaseModel):
    """One call.

    Attributes:
        arguments: as they were when the function began.
        values: the same in whole, None for those without a place in JSON.
        result: what it gave back.
        changed: the arguments that it changed.
        after: those in whole, as it left them.
        seconds: how long it took, the recording of calls in it included.
    """

    model_config = ConfigDict(frozen=True)

    arguments: dict[str, Described]
    values: dict[str, Any] = {}
    result: Described
    result_value: Any = None
    changed: list[str] = []
    after: dict[str, Any] = {}
    seconds: Annotated[float, Field(ge=0)] = 0.0

    def elements(self) -> int:
        """About how much it was given."""
        return sum(each.elements() for each in self.arguments.values())
