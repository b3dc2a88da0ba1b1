"""What a faster alignment is worth inside a mixture-of-experts layer, at decode and prefill sizes.

`python -m benchmarks.moe_layer [PATCH ...] [--json FILE]` times the layer of `benchmarks.fused_moe` with the bundled
target's alignment, with that of each patch (the committed record where none is named), and with the alignment known
beforehand, which none can beat. One GPU with 24 GB of memory free.

A graph holds several layers one after the other, of weights, tokens and routing of their own: at decode a layer waits
for its weights to come from memory, as in a model, and would not if a cache still held them. The graphs take turns,
forwards and backwards. Intervals are Hodges and Lehmann's over the rounds' log ratios, 95 %; all rounds are of one
process, so that what differs from process to process is not in them. Routing is uniform, a token's experts distinct;
the router itself, attention and communication are not part of the layer.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.cuda_graphs import CallGraph, describe_gpu
from benchmarks.fused_moe import Align, plain_moe
from benchmarks.moe_layer_cases import ALONE, DECODE, LAYERS, MODELS, PREFILL, Case, make_case, make_weights
from benchmarks.patched_targets import RECORD, load_align, name_of, parse_patches
from harness.timing.statistics import hodges_lehmann

ROUNDS = 60
GIVEN = "given"  # the alignment known beforehand
MOST_ERROR = 0.01  # of the result's own size, root mean square; bfloat16 keeps 8 bits


def main() -> None:
    """Print a line a size and, last, everything as one line of JSON, raw samples included."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moe_layer", description="An alignment inside a layer.")
    parser.add_argument("patches", nargs="*", type=Path, metavar="PATCH", help="of the moe_align target")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the JSON there instead")
    options = parser.parse_args()
    patches = parse_patches(parser, options.patches or [RECORD], taken=("base", GIVEN))
    names = [name_of(patch) for patch in patches]
    before = describe_gpu()
    print(heading(names[1:]), flush=True)
    started, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory() as space:
        aligns: dict[str, Align] = {
            name: load_align(patch, Path(space) / str(number)).moe_align_block_size
            for number, (name, patch) in enumerate(zip(names, patches, strict=True))
        }
        for model in MODELS:
            weights = [make_weights(model, seed) for seed in range(LAYERS)]
            for tokens in (*DECODE, *PREFILL):
                rows.append(measure(make_case(model, weights, tokens), aligns))
                print(line(rows[-1]), flush=True)
            del weights
            torch.cuda.empty_cache()
    found = {
        "title": "Aligning tokens inside a fused MoE layer",
        "command": " ".join(["python -m benchmarks.moe_layer", *map(str, options.patches)]),
        "method": " ".join((__doc__ or "").split("\n\n", 2)[2].split()),
        "device": before,
        "device_afterwards": describe_gpu()["now"],
        "protocol": {"layers_in_rotation": LAYERS, "rounds": ROUNDS, "seconds": round(time.monotonic() - started, 1)},
        "rows": rows,
    }
    if options.json is None:
        print(json.dumps(found))
    else:
        options.json.write_text(json.dumps(found) + "\n")


def measure(case: Case, aligns: dict[str, Align]) -> dict[str, Any]:
    """Time one size with every alignment, after their results have been compared."""
    known = [made() for made in case.alignments(aligns["base"])]
    layers = {name: CallGraph(case.layers([align] * len(case.routings))) for name, align in aligns.items()}
    layers[GIVEN] = CallGraph(case.layers([lambda *_, found=found: found for found in known]))
    times = ALONE // len(case.routings)
    alone = {name: CallGraph(case.alignments(align) * times) for name, align in aligns.items()}
    compare(case, layers)
    samples: dict[tuple[str, str], list[float]] = {
        (kind, name): [] for kind, graphs in (("layer", layers), ("alone", alone)) for name in graphs
    }
    for turn in range(ROUNDS):
        for kind, name in list(samples)[:: 1 if turn % 2 == 0 else -1]:
            samples[kind, name].append((layers if kind == "layer" else alone)[name].replay_us(host_ahead=True))
    return summarise(case, samples)


def compare(case: Case, layers: dict[str, CallGraph]) -> None:
    """Hold the base's first and last result against plain PyTorch, and every other's results against the base's.

    Raises:
        AssertionError: a result is wrong, or differs from the base's in one bit.
    """
    wanted = None
    for name, graph in layers.items():
        case.out.fill_(float("nan"))
        graph.replay_us()
        if wanted is None:
            wanted = case.out.clone()
            for call in (0, len(case.routings) - 1):
                plain = plain_moe(case.x[call], case.weights[call % len(case.weights)], case.routings[call]).float()
                error = ((wanted[call].float() - plain).square().mean() / plain.square().mean()).sqrt().item()
                if not error < MOST_ERROR:
                    raise AssertionError(f"{case.model.name}, {case.x.shape[1]} tokens: off by {error:.2%} of its size")
        elif not torch.equal(case.out.view(torch.int16), wanted.view(torch.int16)):
            raise AssertionError(f"{case.model.name}, {case.x.shape[1]} tokens: {name} differs from base")


def summarise(case: Case, samples: dict[tuple[str, str], list[float]]) -> dict[str, Any]:
    """A size's row: medians in microseconds, shares and gains in percent of the layer, with their intervals."""
    model, tokens = case.model, case.x.shape[1]
    base, given = samples["layer", "base"], samples["layer", GIVEN]
    given_us = median(given)
    touched = sum(len(each.ids.unique()) for each in case.routings) / len(case.routings)
    expert_bytes = 3 * model.hidden * model.inner * case.x.element_size()
    alignments = [
        {
            "alignment": name,
            "layer_us": median(times),
            "alone_us": median(samples["alone", name]),
            "share_percent": less_in_percent(times, given),
            "gain_percent": None if name == "base" else less_in_percent(base, times),
        }
        for (kind, name), times in samples.items()
        if kind == "layer" and name != GIVEN
    ]
    return {
        "model": model.name,
        **{field: value for field, value in asdict(model).items() if field != "name"},
        "phase": "decode" if tokens <= DECODE[-1] else "prefill",
        "tokens": tokens,
        "tiles": asdict(case.tiles),
        "layers_in_graph": len(case.routings),
        "experts_touched": touched,
        "given_us": given_us,
        "weights_tb_per_s": touched * expert_bytes / given_us / 1e6,
        "tflops": 6 * tokens * model.top_k * model.hidden * model.inner / given_us / 1e6,
        "identical": True,
        "alignments": alignments,
        "samples_us": {
            f"{name}, {kind}": [round(each, 3) for each in times] for (kind, name), times in samples.items()
        },
    }


def less_in_percent(before: Sequence[float], after: Sequence[float]) -> dict[str, float]:
    """How much less time `after` takes, in percent of `before`, from pairs of samples; with the 95 % interval."""
    found = hodges_lehmann([math.log(one / other) for one, other in zip(before, after, strict=True)], 0.05)
    return {name: 100 * -math.expm1(-getattr(found, name)) for name in ("estimate", "low", "high")}


def heading(patches: Sequence[str]) -> str:
    """The table's first line."""
    columns = "".join(f" | {name}: layer us, alone, share %, gain % [95 %]" for name in patches)
    return f"model | tokens | TB/s TFLOP/s | given us | base: layer us, alone, share %{columns}"


def line(row: dict[str, Any]) -> str:
    """A size's line of the table."""
    cells = [row["model"], f"{row['tokens']:5}", f"{row['weights_tb_per_s']:.2f} {row['tflops']:4.0f}"]
    cells.append(f"{row['given_us']:8.2f}")
    for each in row["alignments"]:
        cell = f"{each['layer_us']:8.2f} {each['alone_us']:6.2f} {each['share_percent']['estimate']:5.2f}"
        if each["gain_percent"] is not None:
            cell += " {estimate:6.2f} [{low:.2f}, {high:.2f}]".format(**each["gain_percent"])
        cells.append(cell)
    return " | ".join(cells)


if __name__ == "__main__":
    main()
