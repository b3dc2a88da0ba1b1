"""The record's reference figures, made from what lies in its folder; `benchmarks.moe_align_record` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from benchmarks.moe_align_published import ANCHORS, BEST, EMPTY, SHAPES, TRITON, Anchor
from harness.references import ReferenceRow, References, ReferenceTable, Spread, Value
from harness.task_file import BUNDLED
from harness.text import shortened
from harness.verdict import Interval, Verdict
from harness.verdict_folder import holds_verdicts, read_state

RECORD = BUNDLED / "moe_align" / "records" / "h100"
VLLM_RECORD = BUNDLED / "vllm_moe_align" / "records" / "h100"
SHAPES_FILE, LAYER, LIMITS = "thirteen_shapes.json", "moe_layer.json", "moe_limits.json"
VLLM_TITLE = "vLLM's own file, judged"
LAYER_TITLE = "Inside a MoE layer"
GIVEN = "given"  # `benchmarks.moe_layer`'s name for an alignment that is known beforehand
SEED_SHAPE = (4096, 2, 64, 128)
NO_CLAIM = " (no claim where a share comes out below 0, which cannot be)"
ELSEWHERE = "another NVIDIA H100 80GB, torch 2.11, Triton 3.6"


def references(record: Path, vllm: Path) -> References:
    """All tables that the folders have figures for."""
    of_vllm = vllm / SHAPES_FILE
    tables = [
        shapes_table(
            json.loads((record / SHAPES_FILE).read_text()),
            json.loads(of_vllm.read_text()) if of_vllm.is_file() else None,
        )
    ]
    layer = record / LAYER
    if layer.is_file():
        tables += layer_tables(json.loads(layer.read_text()))
    timed = [verdict for verdict in read_state(vllm).verdicts if verdict.published] if holds_verdicts(vllm) else []
    if timed:
        tables.append(verdict_table(timed))
    return References(tables=tables)


def shape_name(shape: tuple[int, ...]) -> str:
    """`4096x2, 64, 128`: tokens x top-k, experts, block."""
    tokens, top_k, experts, block = shape
    return f"{tokens}x{top_k}, {experts}, {block}"


def shapes_table(measured: dict[str, Any], of_vllm: dict[str, Any] | None) -> ReferenceTable:
    """The 13 shapes: other implementations as they were published, and what was measured.

    Args:
        measured: what `benchmarks.moe_align` says: the bundled base and every attempt.
        of_vllm: what `benchmarks.vllm_moe_align` says: vLLM's own file and patches of it. Then ratios are to that file
            as it was measured, on the machine of the attempts, and no more to its published times.
    """
    machine = f"{measured['device']}, torch {measured['torch']}, CUDA {measured['cuda']}"
    taken = measured_times(measured)
    record = list(taken)[-1]
    names = {name: f"{name}, the record" if name == record else name for name in taken} | {"base": "the bundled base"}
    others: list[ReferenceRow] = []
    if of_vllm is not None:
        there = f"{of_vllm['device']}, torch {of_vllm['torch']}, CUDA {of_vllm['cuda']}"
        others = [
            measured_row(on_vllm(name), f"vllm_moe_align/{SHAPES_FILE}", times, base=name == "base").model_copy(
                update={"machine": None if there == machine else there}
            )
            for name, times in measured_times(of_vllm).items()
        ]
    published = [published_row(anchor, base=anchor is TRITON and not others) for anchor in (*ANCHORS, BEST, EMPTY)]
    return ReferenceTable(
        title="MoE alignment, 13 shapes",
        measured="GPU time a call",
        unit="µs",
        better="less",
        machine=machine,
        method="median of 60 replays of a CUDA graph of 64 calls over a ring of 4 inputs, one process after the other; "
        "outputs checked. Columns: tokens x top-k, experts, block",
        command="python -m benchmarks.moe_align tasks/moe_align/records/h100/*/model_patch.diff"
        + "; python -m benchmarks.vllm_moe_align PATCH ..." * bool(others),
        columns=[shape_name(shape) for shape in SHAPES],
        headline=shape_name(SEED_SHAPE),
        rows=[*published, *others, *(measured_row(names[name], SHAPES_FILE, times) for name, times in taken.items())],
    )


def measured_times(measured: dict[str, Any]) -> dict[str, list[float]]:
    """The columns that were measured, of what a benchmark says.

    Raises:
        ValueError: it measured other shapes.
    """
    if [tuple(shape) for shape in measured["shapes"]] != SHAPES:
        raise ValueError(f"{SHAPES_FILE} has other shapes than the published times: {measured['shapes']}")
    return {name: times for name, times in measured["microseconds"].items() if not name.startswith("published")}


def measured_row(label: str, source: str, times: list[float], *, base: bool = False) -> ReferenceRow:
    """One implementation as this project's benchmark found it."""
    values: list[Value] = [round(time, 4) for time in times]
    return ReferenceRow(label=label, kind="measured", source=source, base=base, values=values)


def on_vllm(name: str) -> str:
    """A patch of vLLM's file as a reader knows it."""
    return f"{TRITON.name}, here" if name == "base" else f"vLLM's file, {worded(name)}"


def worded(attempt: str) -> str:
    """An attempt's name in words: `001-an-earlier-patch` without its number."""
    return attempt.partition("-")[2].replace("-", " ") or attempt


def published_row(anchor: Anchor, *, base: bool = False) -> ReferenceRow:
    """Somebody else's implementation."""
    order = "order inside an expert stable" if anchor.stable else "order inside an expert not stable on every shape"
    return ReferenceRow(
        label=anchor.name,
        kind="published",
        source=f"{anchor.code}; times taken by others, likewise",
        machine=ELSEWHERE,
        note=order if anchor not in (EMPTY, BEST) else None,
        base=base,
        values=list(anchor.times),
    )


def layer_tables(found: dict[str, Any]) -> list[ReferenceTable]:
    """What an alignment is worth inside a layer: its share of the layer's time, what a patch gains, and the times.

    Args:
        found: what `benchmarks.moe_layer` says: a row for each model and number of tokens.
    """
    sizes = {(size["model"], size["tokens"]): size for size in found["rows"]}
    models = list(dict.fromkeys(model for model, _ in sizes))
    tokens = sorted({count for _, count in sizes})
    # A layer that slows down without its alignment: something else differed, by more than what was to be measured.
    impossible = {
        size["tokens"] for size in found["rows"] for each in size["alignments"] if each["share_percent"]["high"] < 0
    }
    columns = [f"{count} token{'s' * (count > 1)}{' (no claim)' * (count in impossible)}" for count in tokens]

    def cell(model: str, count: int, name: str, key: str) -> Value:
        size = sizes.get((model, count))
        if size is None:
            return None
        taken = (
            size["given_us"]
            if name == GIVEN
            else next(each[key] for each in size["alignments"] if each["alignment"] == name)
        )
        return spread(taken) if isinstance(taken, dict) else round(taken, 3)

    def table(title: str, measured: str, better: Literal["less", "more"], key: str, names: list[str]) -> ReferenceTable:
        rows = [
            ReferenceRow(
                label=f"{model}: {names_of(name)}",
                kind="measured",
                source=LAYER,
                values=[cell(model, count, name, key) for count in tokens],
            )
            for model in models
            for name in names
        ]
        return ReferenceTable(
            title=f"{LAYER_TITLE}: {title}",
            measured=measured + NO_CLAIM * bool(impossible),
            unit="µs" if key == "layer_us" else "%",
            better=better,
            machine=device_text(found["device"]),
            method=shortened(found["method"], 600),
            command=found["command"],
            columns=columns,
            means=False,
            headline=columns[tokens.index(SEED_SHAPE[0])] if SEED_SHAPE[0] in tokens else columns[0],
            rows=rows,
        )

    names = [each["alignment"] for each in found["rows"][0]["alignments"]]
    patches = [name for name in names if name != "base"]
    return [
        table("the alignment's share", "share of a layer's time, 95 % intervals", "less", "share_percent", names),
        table(
            "gained over the base",
            "part of a layer's time that is saved, 95 % intervals",
            "more",
            "gain_percent",
            patches,
        ),
        table("times", "GPU time a layer", "less", "layer_us", [*names, GIVEN]),
    ]


def names_of(alignment: str) -> str:
    """An alignment as a reader knows it."""
    return {"base": "the bundled base", GIVEN: "no time for alignment"}.get(alignment, alignment)


def device_text(device: str | dict[str, Any]) -> str:
    """What a benchmark says of its device, on one line: its name, and the versions."""
    if isinstance(device, str):
        return device
    return ", ".join([device["name"], *(f"{name} {version}" for name, version in device["versions"].items())])


def verdict_table(timed: list[Verdict]) -> ReferenceTable:
    """Patches of vLLM's own file as the judge found them; at least one, each with a speedup."""
    names = list(dict.fromkeys(workload.name for verdict in timed for workload in verdict.workloads))
    device = timed[0].device
    return ReferenceTable(
        title=VLLM_TITLE,
        measured="speedup over that file",
        unit="x",
        better="more",
        machine=device_text(device.model_dump()) if device else "unknown",
        method="base and patch in processes of their own, in alternation; intervals are 95 %",
        command="harness verify PATCH --task vllm_moe_align_six",
        columns=names,
        rows=[*(verdict_row(verdict, names) for verdict in timed), *noise_rows(timed, names)],
    )


def verdict_row(verdict: Verdict, workloads: list[str]) -> ReferenceRow:
    """A verdict, named by its folder without the number."""
    return ReferenceRow(
        label=worded(str(verdict.attempt)),
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
