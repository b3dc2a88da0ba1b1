"""The record's reference figures and the tables in the documentation, made from what lies in its folders.

`python -m benchmarks.moe_align_record` (`make records`) reads

- the attempts' verdicts in tasks/moe_align/records/h100, and in tasks/vllm_moe_align/records/h100 if there are any;
- in the first of them `thirteen_shapes.json`, what `python -m benchmarks.moe_align` says last,
- beside the second, if it is there, the same of `python -m benchmarks.vllm_moe_align`;
- and `moe_layer.json` and `moe_limits.json`, if they are there: what `python -m benchmarks.moe_layer` and
  `benchmarks.moe_limits` say last, or write with `--json`;

and writes `references.json` there and the tables between the marks `<!-- made by make records -->` in README.md and
docs/moe_align.md: no figure is typed twice. `--keep`, `--shapes`, `--vllm-shapes`, `--layer` and
`--limits` bring in new ones.
With `--check` nothing is written, and what is out of date is named.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from benchmarks.moe_align_figures import LAYER, LIMITS, RECORD, SHAPES_FILE, VLLM_RECORD, as_text, references
from benchmarks.moe_align_tables import documents
from harness.task import BUNDLED
from harness.verdict import Verdict
from harness.verdict_folder import holds_verdicts

ROOT = BUNDLED.parent
KEPT = ("model_patch.diff", "verdict.json", "samples.json")


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
    for attempt, name in options.keep:
        keep(Path(attempt), name, RECORD, VLLM_RECORD)
    brought = (
        (options.shapes, "microseconds", RECORD / SHAPES_FILE),
        (options.vllm_shapes, "microseconds", VLLM_RECORD / SHAPES_FILE),
        (options.layer, "rows", RECORD / LAYER),
        (options.limits, "rows", RECORD / LIMITS),
    )
    for source, key, target in brought:
        if source is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(last_line(source, key) + "\n", encoding="utf-8")
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


def keep(attempt: Path, name: str, moe_align: Path, vllm: Path) -> None:
    """Copy what a record keeps of an attempt into that of its task, one of two.

    The last attempt's patch is also the reference patch of the task `moe_align_device`.
    """
    verdict = Verdict.model_validate_json((attempt / "verdict.json").read_bytes())
    record = vllm if verdict.task.startswith("vllm") else moe_align
    folder = record / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in KEPT:
        if record == vllm and file == KEPT[0]:
            continue  # it holds lines of vLLM's, which are fetched and never kept
        if (attempt / file).is_file():
            shutil.copyfile(attempt / file, folder / file)
    print(f"{folder}: {verdict.message}")
    if record == moe_align:
        last = max(each.parent for each in record.glob("*/verdict.json"))
        shutil.copyfile(last / "model_patch.diff", record / "reference.diff")


def last_line(file: Path, key: str) -> str:
    """The last line of a benchmark's output that is JSON with this key; what it printed before is for people.

    Raises:
        ValueError: there is none.
    """
    for line in reversed(file.read_text(encoding="utf-8").splitlines()):
        if line.startswith("{") and key in json.loads(line):
            return line
    raise ValueError(f"{file}: no line of it is JSON with {key!r}; it is the last that the benchmark prints")


if __name__ == "__main__":
    main()
