"""The record's reference figures, made from what lies in its folder; `benchmarks.moe_align_record` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from benchmarks.moe_align_published import ANCHORS, BEST, EMPTY, SHAPES, TRITON, Anchor
from harness.references import ReferenceRow, References, ReferenceTable, Spread, Value
from harness.task import BUNDLED
from harness.verdict import Interval, Verdict
from harness.verdict_folder import holds_verdicts, read_state

RECORD = BUNDLED / "moe_align" / "records" / "h100"
VLLM_RECORD = BUNDLED / "vllm_moe_align" / "records" / "h100"
SHAPES_FILE, LAYER = "thirteen_shapes.json", "moe_layer.json"
SEED_SHAPE = (4096, 2, 64, 128)
ELSEWHERE = "another NVIDIA H100 80GB, torch 2.11, Triton 3.6"


def references(record: Path, vllm: Path) -> References:
    """All tables that the folders have figures for."""
    tables = [shapes_table(json.loads((record / SHAPES_FILE).read_text()))]
    layer = record / LAYER
    if layer.is_file():
        tables += layer_tables(json.loads(layer.read_text()))
    if holds_verdicts(vllm):
        tables.append(verdict_table(read_state(vllm).verdicts))
    return References(tables=tables)


def shape_name(shape: tuple[int, ...]) -> str:
    """`4096x2, 64, 128`: tokens x top-k, experts, block."""
    tokens, top_k, experts, block = shape
    return f"{tokens}x{top_k}, {experts}, {block}"


def shapes_table(measured: dict[str, Any]) -> ReferenceTable:
    """The 13 shapes: other implementations as they were published, the bundled base and every attempt as measured."""
    if [tuple(shape) for shape in measured["shapes"]] != SHAPES:
        raise ValueError(f"thirteen_shapes.json has other shapes than the published times: {measured['shapes']}")
    taken = {name: times for name, times in measured["microseconds"].items() if not name.startswith("published")}
    last = list(taken)[-1]
    names = {name: f"{name}, the record" if name == last else name for name in taken} | {"base": "the bundled base"}
    return ReferenceTable(
        title="MoE alignment, 13 shapes",
        measured="GPU time a call",
        unit="µs",
        better="less",
        machine=f"{measured['device']}, torch {measured['torch']}, CUDA {measured['cuda']}",
        method="median of 60 replays of a CUDA graph of 64 calls over a ring of 4 inputs, one process after the other; "
        "outputs checked. Columns: tokens x top-k, experts, block",
        command="python -m benchmarks.moe_align tasks/moe_align/records/h100/*/model_patch.diff",
        columns=[shape_name(shape) for shape in SHAPES],
        headline=shape_name(SEED_SHAPE),
        rows=[
            *(published_row(anchor) for anchor in (*ANCHORS, BEST, EMPTY)),
            *(
                ReferenceRow(
                    label=names[name],
                    kind="measured",
                    source=SHAPES_FILE,
                    values=[round(time, 4) for time in times],
                )
                for name, times in taken.items()
            ),
        ],
    )


def published_row(anchor: Anchor) -> ReferenceRow:
    """Somebody else's implementation."""
    order = "order inside an expert stable" if anchor.stable else "order inside an expert not stable on every shape"
    return ReferenceRow(
        label=anchor.name,
        kind="published",
        source=f"{anchor.code}; times taken by others, likewise",
        machine=ELSEWHERE,
        note=order if anchor not in (EMPTY, BEST) else None,
        base=anchor is TRITON,
        values=list(anchor.times),
    )


def layer_tables(found: dict[str, Any]) -> list[ReferenceTable]:
    """What an alignment is worth inside a layer: its share of the layer's time, what a patch gains, and the times."""
    rows = found["rows"]
    names = [each["alignment"] for each in rows[0]["alignments"]]

    def row(name: str, key: str) -> ReferenceRow:
        cells = [next(each[key] for each in size["alignments"] if each["alignment"] == name) for size in rows]
        values: list[Value] = [spread(cell) if isinstance(cell, dict) else round(cell, 4) for cell in cells]
        base = name == "base" and key == "layer_us"
        return ReferenceRow(label=names_of(name), kind="measured", source=LAYER, base=base, values=values)

    def table(
        title: str, measured: str, unit: str, better: Literal["less", "more"], made: list[ReferenceRow]
    ) -> ReferenceTable:
        return ReferenceTable(
            title=title,
            measured=measured,
            unit=unit,
            better=better,
            machine=device_text(found["device"]),
            method=found["method"][:600],
            command=found["command"],
            columns=[f"{size['model']}, {size['tokens']} token{'s' * (size['tokens'] > 1)}" for size in rows],
            means=unit != "%",
            rows=made,
        )

    given = ReferenceRow(
        label="an alignment that takes no time",
        kind="measured",
        source=LAYER,
        values=[round(size["given_us"], 4) for size in rows],
    )
    gains = [row(name, "gain_percent") for name in names if name != "base"]
    shares = [row(name, "share_percent") for name in names]
    return [
        table("MoE layer: the share of alignment", "share of a layer's time", "%", "less", shares),
        table("MoE layer: time gained over the base", "of a layer's time", "%", "more", gains),
        table("MoE layer: times", "GPU time a layer", "µs", "less", [*(row(n, "layer_us") for n in names), given]),
    ]


def names_of(alignment: str) -> str:
    """An alignment as a reader knows it."""
    return {"base": "the bundled base", "reference": "the record"}.get(alignment, alignment)


def device_text(device: Any) -> str:  # noqa: ANN401 - JSON
    """What a benchmark says of its device, on one line."""
    if isinstance(device, str):
        return device
    return ", ".join(f"{name} {value}" for name, value in device.items() if isinstance(value, str | int | float))[:600]


def verdict_table(verdicts: list[Verdict]) -> ReferenceTable:
    """Patches of vLLM's own file as the judge found them."""
    timed = [verdict for verdict in verdicts if verdict.published is not None]
    names = list(dict.fromkeys(workload.name for verdict in timed for workload in verdict.workloads))
    device = timed[0].device
    return ReferenceTable(
        title="vLLM's own file, judged",
        measured="speedup over that file",
        unit="x",
        better="more",
        machine=f"{device.name}, {', '.join(f'{k} {v}' for k, v in device.versions.items())}" if device else "unknown",
        method="base and patch in processes of their own, in alternation; intervals are 95 %",
        command="harness verify PATCH --task vllm_moe_align",
        columns=names,
        rows=[*(verdict_row(verdict, names) for verdict in timed), *noise_rows(timed, names)],
    )


def verdict_row(verdict: Verdict, workloads: list[str]) -> ReferenceRow:
    """A verdict, named by its folder without the number."""
    return ReferenceRow(
        label=str(verdict.attempt).partition("-")[2].replace("-", " ") or str(verdict.attempt),
        kind="verdict",
        source=f"tasks/vllm_moe_align/records/{verdict.run}/{verdict.attempt}/verdict.json",
        note=verdict.status.replace("_", " "),
        values=[workload_value(verdict, name) for name in workloads],
        mean=spread(verdict.published),
    )


def noise_rows(verdicts: list[Verdict], workloads: list[str]) -> list[ReferenceRow]:
    """The base against itself: the widest interval, for the verdicts may be of several runs."""
    noise = [verdict.timing.noise.speedup for verdict in verdicts if verdict.timing and verdict.timing.noise]
    widest = max(noise, key=lambda each: each.high / each.low, default=None)
    if widest is None:
        return []
    values: list[Value] = [None for _ in workloads]
    source = "the runs' own measurement of noise"
    return [ReferenceRow(label="the file as it is", kind="verdict", source=source, values=values, mean=spread(widest))]


def workload_value(verdict: Verdict, name: str) -> Spread | None:
    """A workload's speedup; None where this verdict has none."""
    return next((spread(each.speedup) for each in verdict.workloads if each.name == name), None)


def spread(found: Interval | dict[str, float] | None) -> Spread | None:
    """An interval as reference figures have it, to four decimals."""
    if found is None:
        return None
    ends = found if isinstance(found, dict) else found.model_dump()
    return Spread(**{name: round(ends[name], 4) for name in ("estimate", "low", "high")})


def as_text(found: References) -> str:
    """The file: JSON that a person can compare line by line."""
    return json.dumps(found.model_dump(exclude_defaults=True), indent=1, ensure_ascii=False) + "\n"
