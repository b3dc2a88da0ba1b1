"""The record's reference figures and the tables in the documentation, made from what lies in its folder.

`python -m benchmarks.moe_align_record` (`make records`) reads, in tasks/moe_align/records:

- `h100/thirteen_shapes.json`: the last line that `python -m benchmarks.moe_align .../*/model_patch.diff` prints;
- `h100/moe_layer.json`, if it is there: what `python -m benchmarks.moe_layer ... --json FILE` writes;
- the attempts' verdicts in `h100/`; those of patches of vLLM's own file in `h100_vllm/`, if there are any,

and writes `h100/references.json` and the tables between the marks `<!-- made by make records -->` in README.md and
docs/moe_align.md. No figure is typed twice. With `--check` nothing is written, and what is out of date is named.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.moe_align_figures import RECORD, VLLM_RECORD, as_text, references
from benchmarks.moe_align_tables import documents
from harness.task import BUNDLED

ROOT = BUNDLED.parent


def main() -> None:
    """Write every file that is out of date, or with `--check` name them and exit with 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moe_align_record", description="Tables of the record.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is out of date")
    options = parser.parse_args()
    found = references(RECORD, VLLM_RECORD)
    wanted = {RECORD / "references.json": as_text(found), **documents(found, RECORD, ROOT)}
    stale = [file for file, text in wanted.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        print(f"{file.relative_to(ROOT)}: {'out of date' if options.check else 'written'}")
        if not options.check:
            file.write_text(wanted[file], encoding="utf-8")
    if stale and options.check:
        sys.exit(1)


if __name__ == "__main__":
    main()
