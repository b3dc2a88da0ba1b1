"""What goes into the record for MoE alignment from outside: a benchmark's last line, or a judged attempt's folder.

All of it is looked at before a file of the record is written.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchmarks.moe_align_published import SHAPES
from harness.references import Spread
from harness.verdict import Verdict

Shape = tuple[int, int, int, int]
Times = Annotated[list[float], Field(min_length=len(SHAPES), max_length=len(SHAPES))]
PATCH, VERDICT, SAMPLES = "model_patch.diff", "verdict.json", "samples.json"
NAME = re.compile(r"\d{3}(-[a-z0-9]+)+")


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class ShapesSaid(_Said):
    """What `benchmarks.moe_align` and `benchmarks.vllm_moe_align` say last."""

    device: str
    torch: str
    cuda: str
    shapes: list[Shape]
    microseconds: dict[str, Times]

    @field_validator("shapes")
    @classmethod
    def _published(cls, shapes: list[Shape]) -> list[Shape]:
        if shapes != SHAPES:
            raise ValueError("these are not the shapes of the published times")
        return shapes


class _InLayer(_Said):
    alignment: str
    layer_us: float
    share_percent: Spread
    gain_percent: Spread | None


class _Size(_Said):
    model: str
    tokens: int
    given_us: float
    alignments: list[_InLayer] = Field(min_length=2)


class _Device(_Said):
    name: str
    versions: dict[str, str]


class LayerSaid(_Said):
    """What `benchmarks.moe_layer` says last."""

    method: str
    command: str
    device: _Device
    rows: list[_Size] = Field(min_length=1)


class _Limits(_Said):
    shape: Shape
    alignment: str
    launches: int
    roofline_us: float
    overlapping_us: float
    through_memory_us: float
    taken_us: float
    beyond_us: float


class LimitsSaid(_Said):
    """What `benchmarks.moe_limits` says last."""

    rows: list[_Limits] = Field(min_length=1)


def last_line(file: Path, key: str, wanted: type[BaseModel]) -> str:
    """The last line of a benchmark's output that is JSON with this key; what it printed before is for people.

    Raises:
        ValueError: it cannot be read, there is none, or it does not say what is `wanted`.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: cannot be read: {error}") from error
    line = next((line for line in reversed(lines) if key in _document(line)), None)
    if line is None:
        raise ValueError(f"{file}: no line of it is JSON with {key!r}; it is the last that the benchmark prints")
    try:
        wanted.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{file}: {place}: {first['msg']}; is it of another benchmark, or cut short?") from error
    return line


def _document(line: str) -> dict[str, Any]:
    """A line's JSON object; nothing where it has none."""
    try:
        found = json.loads(line) if line.startswith("{") else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def keep(attempt: Path, name: str, moe_align: Path, vllm: Path) -> None:
    """Copy what a record keeps of an attempt into that of its task, one of two.

    The last attempt's patch is also the reference patch of the task `moe_align_device`.

    Raises:
        ValueError: it is no judged attempt, or of another task, or the name is none for a record.
    """
    verdict = _read_verdict(attempt)
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for an attempt: a number and words, such as 007-one-barrier")
    of_vllm = verdict.task.startswith("vllm_moe_align")
    if not of_vllm and not verdict.task.startswith("moe_align"):
        raise ValueError(
            f"{attempt} is an attempt at {verdict.task}, and the records are of moe_align and vllm_moe_align"
        )
    if not of_vllm and not (attempt / PATCH).is_file():
        raise ValueError(f"{attempt}: there is no {PATCH} in it, which the record is about")
    record = vllm if of_vllm else moe_align
    folder = record / name
    folder.mkdir(parents=True, exist_ok=True)
    # A patch of vLLM's file holds lines of vLLM's, which are fetched and never kept.
    for file in (VERDICT, SAMPLES, *([] if of_vllm else [PATCH])):
        if (attempt / file).is_file():
            shutil.copyfile(attempt / file, folder / file)
    print(f"{folder}: {verdict.message}")
    if record == moe_align:
        last = max(each.parent for each in record.glob(f"*/{VERDICT}"))
        shutil.copyfile(last / PATCH, record / "reference.diff")


def _read_verdict(attempt: Path) -> Verdict:
    try:
        return Verdict.model_validate_json((attempt / VERDICT).read_bytes())
    except OSError as error:
        raise ValueError(
            f"{attempt}: no judged attempt (there must be a {VERDICT} in it, as in runs/RUN/001)"
        ) from error
    except ValidationError as error:
        raise ValueError(f"{attempt / VERDICT}: no verdict of this harness ({error.error_count()} mistakes)") from error
