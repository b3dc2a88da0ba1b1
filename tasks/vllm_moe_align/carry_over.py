r"""Put the bundled target's record into vLLM's file: the same kernels, behind vLLM's own functions and promises.

    python carry_over.py [ALIGN [PATCH]]

rewrites `vllm/model_executor/layers/fused_moe/fused_moe.py` below the current folder, a checkout of vLLM 0.7.3. ALIGN
is `moe_align/align.py` of the bundled target and PATCH the record's, by default the ones in this repository, as they
are now. As an agent, which sees of the disk what it is given by path:

    harness run vllm_moe_align --agent command:'python ./tasks/vllm_moe_align/carry_over.py \
        ./tasks/moe_align/target/moe_align/align.py ./tasks/moe_align/records/h100/reference.diff'

Everything that `_align_with_triton` needs is carried, whatever it is by then; nothing of vLLM's text is in here, and
nothing of it is changed but the bodies of two functions. One thing differs: vLLM 0.7.3 sizes `sorted_token_ids` for
every routing, also where there are fewer ids than experts.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FUSED_MOE = Path("vllm/model_executor/layers/fused_moe/fused_moe.py")
_MOE_ALIGN = Path(__file__).resolve().parents[1] / "moe_align"
_ENTRY = "_align_with_triton"
_MARK = "# What follows, up to moe_align_block_size, aligns in as few launches as the size allows."

# Instead of the record's, which is smaller for few ids.
_COUNT_SLOTS = '''\
def _count_slots(numel: int, block_size: int, num_experts: int) -> int:
    """Length of sorted_token_ids: enough for every routing of `numel` pairs."""
    return numel + num_experts * (block_size - 1)
'''
_BODIES = {
    "moe_align_block_size": f"""\
    return {_ENTRY}(topk_ids.contiguous().view(-1), block_size, num_experts)
""",
    "moe_align_block_size_triton": f"""\
    ids = topk_ids.contiguous().view(-1)
    made = {_ENTRY}(ids, block_size, num_experts)
    for given, new in zip((sorted_token_ids, expert_ids, num_tokens_post_pad), made):
        given[:new.numel()].copy_(new[:given.numel()])
""",
}


@dataclass(frozen=True)
class Piece:
    """A statement at the top of a module.

    Attributes:
        names: what it binds.
        uses: every name that it mentions.
        text: its source, comments right above it included.
    """

    names: frozenset[str]
    uses: frozenset[str]
    text: str


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite the file, or end with a message that says why not."""
    parser = argparse.ArgumentParser(description="Put the bundled target's record into a checkout of vLLM 0.7.3.")
    parser.add_argument("align", nargs="?", type=Path, default=_MOE_ALIGN / "target" / "moe_align" / "align.py")
    parser.add_argument("patch", nargs="?", type=Path, default=_MOE_ALIGN / "records" / "h100" / "reference.diff")
    asked = parser.parse_args(arguments)
    for path in (asked.align, asked.patch, FUSED_MOE):
        if not path.is_file():
            sys.exit(f"There is no file {path}. This runs at the root of a checkout of vLLM 0.7.3.")
    before = FUSED_MOE.read_text(encoding="utf-8")
    FUSED_MOE.write_text(carried_over(before, patched(asked.align, asked.patch)), encoding="utf-8")
    print(f"{FUSED_MOE}: aligns by the kernels of {asked.patch}")


def patched(align: Path, patch: Path) -> str:
    """The text of `moe_align/align.py` with the patch applied; the file itself stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "moe_align" / "align.py"
        copy.parent.mkdir()
        copy.write_bytes(align.read_bytes())
        done = subprocess.run(
            ["git", "apply", str(patch.resolve())], cwd=folder, check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"{patch} does not apply to {align}: {done.stderr.strip()}")
        return copy.read_text(encoding="utf-8")


def carried_over(fused_moe: str, record: str) -> str:
    """The text of vLLM's file with the record's kernels in it.

    Args:
        fused_moe: the text of vLLM's file.
        record: the text of `moe_align/align.py` with the record in it.
    """
    imports, own = needed(record)
    there = {name for piece in pieces(fused_moe) for name in piece.names}
    taken = sorted(name for piece in own for name in piece.names & there)
    if taken:
        sys.exit(f"{FUSED_MOE} has {', '.join(taken)} already: has the record been carried over before?")
    functions = {node.name: node for node in ast.parse(fused_moe).body if isinstance(node, ast.FunctionDef)}
    missing = sorted(_BODIES.keys() - functions.keys())
    if missing:
        sys.exit(f"{FUSED_MOE} has no function {', '.join(missing)}: this is not vLLM 0.7.3.")
    new = [piece for piece in imports if not piece.names <= there] + own
    at = functions["moe_align_block_size"].lineno - 1
    edits = [(at, at, f"{_MARK}\n" + "".join(map(_spaced, new)) + "\n\n")]
    for name, body in _BODIES.items():
        function = functions[name]
        first = function.body[1 if ast.get_docstring(function) is not None else 0]
        edits.append((first.lineno - 1, function.end_lineno or 0, body))
    lines = fused_moe.splitlines(keepends=True)
    for start, end, text in sorted(edits, reverse=True):  # from the end up, so that numbers of lines stay true
        lines[start:end] = [text]
    return "".join(lines)


def needed(record: str) -> tuple[list[Piece], list[Piece]]:
    """The imports and the definitions of a module that `_align_with_triton` needs, in order."""
    found = list(pieces(record))
    if not any(_ENTRY in piece.names for piece in found):
        sys.exit(f"The record has no function {_ENTRY}.")
    wanted = {_ENTRY}
    while True:
        more = {name for piece in found if piece.names & wanted for name in piece.uses} | wanted
        if more == wanted:
            break
        wanted = more
    kept = [piece for piece in found if piece.names & wanted]
    imports = [piece for piece in kept if piece.text.startswith(("import ", "from "))]
    own = [piece for piece in kept if piece not in imports]
    count = [Piece(piece.names, piece.uses, _COUNT_SLOTS) if "_count_slots" in piece.names else piece for piece in own]
    return imports, count


def pieces(source: str) -> Iterator[Piece]:
    """The statements at the top of a module; of one that asks for Triton, those that hold where it is."""
    lines = source.splitlines(keepends=True)
    waiting = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.If):
            waiting[:0] = node.body
            continue
        names = frozenset(_bound(node))
        if not names or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            continue
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
        start = min([node.lineno, *(each.lineno for each in decorators)]) - 1
        indent = node.col_offset
        while start > 0 and lines[start - 1].startswith(" " * indent + "#"):
            start -= 1
        text = "".join(line[indent:] if line.strip() else line for line in lines[start : node.end_lineno])
        yield Piece(names, frozenset(each.id for each in ast.walk(node) if isinstance(each, ast.Name)), text)


def _spaced(piece: Piece) -> str:
    text = piece.text.strip("\n") + "\n"
    return f"\n\n{text}" if text.startswith(("@", "def ", "class ", "#")) else text


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Assign):
        yield from (each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name))


if __name__ == "__main__":
    main()
