"""The record's reference figures and the tables in the documentation, made from what lies in its folders.

`python -m benchmarks.moe_align_record` (`make records`) reads

- the attempts' verdicts in tasks/moe_align/records/h100, and in tasks/vllm_moe_align/records/h100 if there are any;
- in the first of them `thirteen_shapes.json`, what `python -m benchmarks.moe_align` says last,
- beside the second, if it is there, the same of `python -m benchmarks.vllm_moe_align`;
- and `moe_layer.json` and `moe_limits.json`, if they are there: what `python -m benchmarks.moe_layer` and
  `benchmarks.moe_limits` say last, or write with `--json`;

and writes `references.json` there and the tables between the marks `<!-- made by make records -->` in README.md and
docs/moe_align.md: no figure is typed twice. `--keep`, `--shapes`, `--vllm-shapes`, `--layer` and
`--limits` bring in new ones; nothing is written where one of them is not what it should be.
With `--check` nothing is written, and what is out of date is named.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.moe_align_brought import LayerSaid, LimitsSaid, ShapesSaid, keep, last_line
from benchmarks.moe_align_figures import LAYER, LIMITS, RECORD, SHAPES_FILE, VLLM_RECORD, as_text, references
from benchmarks.moe_align_tables import documents
from harness.task_file import BUNDLED
from harness.verdict_folder import holds_verdicts

ROOT = BUNDLED.parent


def main() -> None:
    """Write every file that is out of date, or with `--check` name them and exit with 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moe_align_record", description="Tables of the record.")
    parser.add_argument(
        "--keep",
        nargs=2,
        action="append",
        default=[],
        metavar=("ATTEMPT", "NAME"),
        help="copy a judged attempt's folder (runs/RUN/001) into the record of its task, as 00N-in-words",
    )
    parser.add_argument("--shapes", type=Path, metavar="FILE", help="what python -m benchmarks.moe_align printed")
    parser.add_argument("--vllm-shapes", type=Path, metavar="FILE", help="what benchmarks.vllm_moe_align printed")
    parser.add_argument(
        "--layer", type=Path, metavar="FILE", help="what python -m benchmarks.moe_layer printed or wrote"
    )
    parser.add_argument(
        "--limits", type=Path, metavar="FILE", help="what python -m benchmarks.moe_limits printed or wrote"
    )
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is out of date")
    options = parser.parse_args()
    if options.check and (options.keep or options.shapes or options.vllm_shapes or options.layer or options.limits):
        parser.error("--check changes nothing, and goes with nothing else")
    brought = (
        (options.shapes, "microseconds", ShapesSaid, RECORD / SHAPES_FILE),
        (options.vllm_shapes, "microseconds", ShapesSaid, VLLM_RECORD / SHAPES_FILE),
        (options.layer, "rows", LayerSaid, RECORD / LAYER),
        (options.limits, "rows", LimitsSaid, RECORD / LIMITS),
    )
    try:
        lines = {
            target: last_line(source, key, wanted) for source, key, wanted, target in brought if source is not None
        }
        for attempt, name in options.keep:
            keep(Path(attempt), name, RECORD, VLLM_RECORD)
    except ValueError as error:
        parser.error(str(error))
    for target, line in lines.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(line + "\n", encoding="utf-8")
    found = references(RECORD, VLLM_RECORD)
    wanted = {RECORD / "references.json": as_text(found), **documents(found, RECORD, VLLM_RECORD, ROOT)}
    if holds_verdicts(VLLM_RECORD):
        wanted[VLLM_RECORD / "references.json"] = as_text(found)  # the anchors are that file's own alternatives
    stale = [file for file, text in wanted.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        print(f"{file.relative_to(ROOT)}: {'out of date' if options.check else 'written'}")
        if not options.check:
            file.write_text(wanted[file], encoding="utf-8")
    if stale and options.check:
        sys.exit(1)


if __name__ == "__main__":
    main()
