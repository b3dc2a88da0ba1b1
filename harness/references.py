"""Reference figures: measured elsewhere, shown beside a board and in a report, never ranked and part of no verdict.

A task names a file of them (`references: FILE`), and a run keeps a copy, so that its record can be read anywhere. Every
row says what kind of figure it is and where it comes from.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from harness.errors import TaskError
from harness.intervals import geometric_mean
from harness.text import counted, printable, shortened

MOST_BYTES = 200_000  # a page of them is for reading; a report has room for little more
Kind = Literal["published", "measured", "verdict"]
KINDS: dict[Kind, str] = {
    "published": "taken from someone else",
    "measured": "taken with this project's benchmark, outside the judge",
    "verdict": "by this project's judge, in a run of its own",
}
Text = Annotated[str, Field(min_length=1, max_length=600)]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Spread(_Part):
    """A figure with the ends of its 95 % interval, in the table's unit."""

    estimate: float
    low: float
    high: float

    @model_validator(mode="after")
    def _in_order(self) -> Spread:
        if not self.low <= self.estimate <= self.high:
            raise ValueError(f"low {self.low:g}, estimate {self.estimate:g} and high {self.high:g} are not in order")
        return self


def _sort(value: object) -> str:
    return "no figure" if value is None else "interval" if isinstance(value, dict | Spread) else "figure"


# Told apart before they are checked, so that a mistake is told once and not for each sort of value.
Value = Annotated[
    Annotated[float, Tag("figure")] | Annotated[Spread, Tag("interval")] | Annotated[None, Tag("no figure")],
    Discriminator(_sort),
]


class ReferenceRow(_Part):
    """One implementation's figures, one for each of its table's columns, in that order; null where there is none."""

    label: Name = Field(description="What was measured, as a reader would name it.")
    kind: Kind = Field(description="; ".join(f"{kind}: {words}" for kind, words in KINDS.items()) + ".")
    source: Text = Field(description="Where the figures are from: a URL, a file, a publication.")
    machine: Text | None = Field(None, description="Where they were taken, if not on the table's machine.")
    note: Text | None = Field(None, description="What else a reader has to know, such as a verdict's status.")
    base: bool = Field(False, description="Whether the table's ratios are to this row; at most one.")
    values: list[Value] = Field(description="A number, {estimate, low, high} or null for each column.")
    mean: Value = Field(
        None,
        description="The figure over all columns where it was measured as one, as in a verdict; by default the "
        "geometric mean of the values.",
    )


class ReferenceTable(_Part):
    """Figures of one kind of measurement, side by side."""

    title: Name
    measured: Text = Field(description="What a figure is, such as GPU time a call.")
    unit: Annotated[str, Field(min_length=1, max_length=20)]
    better: Literal["less", "more"]
    machine: Text = Field(description="Device and versions; a row that was taken elsewhere says so itself.")
    method: Text = Field(description="How a figure was taken.")
    command: Text | None = Field(description="What reproduces the rows that are not published; null if nothing does.")
    columns: list[Name] = Field(min_length=1, max_length=64)
    means: bool = Field(True, description="Whether a row's mean over the columns says anything.")
    headline: Name | None = Field(None, description="The column that is shown where there is room for one.")
    rows: list[ReferenceRow] = Field(min_length=1, max_length=64)

    @model_validator(mode="after")
    def _fits(self) -> ReferenceTable:
        for row in self.rows:
            if len(row.values) != len(self.columns):
                values, columns = counted(len(row.values), "value"), counted(len(self.columns), "column")
                raise ValueError(f"row {row.label!r} has {values} for {columns}")
        _once("column", self.columns)
        _once("row", [row.label for row in self.rows])
        if self.headline is not None and self.headline not in self.columns:
            raise ValueError(f"headline {self.headline!r} is no column; columns: {', '.join(self.columns)}")
        bases = [row.label for row in self.rows if row.base]
        if len(bases) > 1:
            raise ValueError(f"ratios have one base, these rows are marked: {', '.join(bases)}")
        return self

    @property
    def base(self) -> ReferenceRow | None:
        """The row that ratios are to."""
        return next((row for row in self.rows if row.base), None)

    def overall(self, row: ReferenceRow) -> Value:
        """A row's figure over all columns, in the table's unit; None where one is missing, or is not above nothing."""
        if row.mean is not None or not self.means:
            return row.mean
        figures = [estimate_of(value) for value in row.values]
        whole = [figure for figure in figures if figure is not None and figure > 0]
        return geometric_mean(whole) if len(whole) == len(figures) else None

    def ratio(self, row: ReferenceRow) -> float | None:
        """How many times better a row is than the base's, by their figures over all columns."""
        mine = estimate_of(self.overall(row))
        theirs = estimate_of(self.overall(self.base)) if self.base else None
        if mine is None or theirs is None or min(mine, theirs) <= 0:
            return None
        return theirs / mine if self.better == "less" else mine / theirs

    def is_elsewhere(self, row: ReferenceRow) -> bool:
        """Whether a row was taken on another machine than the base's: then their ratio is no comparison."""
        return self.base is not None and (row.machine or self.machine) != (self.base.machine or self.machine)


class References(_Part):
    """A file of reference figures."""

    tables: list[ReferenceTable] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _told_apart(self) -> References:
        _once("table", [table.title for table in self.tables])
        return self


def estimate_of(value: Value) -> float | None:
    """The number itself, without its interval."""
    return value.estimate if isinstance(value, Spread) else value


def _once(what: str, names: Sequence[str]) -> None:
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ValueError(f"the {what} {twice!r} stands twice")


def load_references(file: Path) -> References:
    """Read and check a file of reference figures.

    Raises:
        TaskError: it cannot be read, is too long, is not JSON, or says something that does not hold; names the place
            and the value.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise TaskError(f"{file}: this is no file of reference figures.", remedy=_REMEDY)
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise TaskError(f"{file}: {size:,} bytes; reference figures may have {MOST_BYTES:,}.", remedy=_REMEDY)
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{file}: cannot be read as text ({error}).", remedy=_REMEDY) from error
    try:
        content = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise TaskError(f"{file}:{error.lineno}: not valid JSON: {error.msg}.", remedy=_REMEDY) from error
    except (ValueError, RecursionError) as error:
        raise TaskError(f"{file}: {error}.", remedy=_REMEDY) from error
    try:
        return References.model_validate(content)
    except ValidationError as error:
        raise TaskError(_explain(file, error), remedy=_REMEDY) from error


def kept_references(file: Path) -> tuple[References | None, str]:
    """A run's copy, and a sentence about why it cannot be shown: a record that is read elsewhere may be damaged."""
    try:
        # A link in a folder that came from elsewhere may lead anywhere.
        if not file.is_symlink() and file.exists():
            return load_references(file), ""
    except TaskError as error:
        return None, f"The reference figures cannot be read: {error}"
    except OSError as error:
        return None, f"The reference figures cannot be read: {file}: {error.strerror}."
    return None, ""


_REMEDY = 'What such a file holds is in docs/new-task.md, "Reference figures".'


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets the last of two equal keys win silently; here it is an error."""
    _once("key", [key for key, _ in pairs])
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a figure; null says that there is none")


def _explain(file: Path, error: ValidationError) -> str:
    """One line for each mistake, the place as a program would write it: `tables[0].rows[2].values[3]`."""
    lines = []
    for problem in error.errors():
        # The checker names the sort of value, where the file has nothing.
        steps = [step for step in problem["loc"] if step not in ("figure", "interval", "no figure")]
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
        what = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            what = "there is no such key"
        elif problem["type"] == "missing":
            what = "this key is missing"
        elif not isinstance(problem["input"], dict | list):
            what += f" (found {shortened(repr(problem['input']), 60)})"
        lines.append(f"{file}: {printable(place) or 'the whole file'}: {what}.")
    return "\n".join(lines[:8])
