"""`harness ablate`: checks what was asked for, takes the patch apart, and has the parts judged."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from harness.ablation.notebook import Notebook, kept_record
from harness.ablation.parts import By, DividedPatch, divide
from harness.ablation.records import Ablation
from harness.ablation.work import SMALLEST, Say, Work
from harness.errors import AttemptEnded, Interrupted, UsageError
from harness.interruption import terminable
from harness.plan import made_of
from harness.sandbox import Wanted, keep_out, use_sandbox
from harness.source import seal
from harness.task import LoadedTask
from harness.task_file import load_task
from harness.text import counted
from harness.timing.job import Protocol
from harness.whole_file import make_folder
from harness.workspace import require_writable, workspace

_NO_GAIN = "There is no gain to take apart; `harness verify` says what a patch comes to."


@dataclass(frozen=True)
class AblateOptions:
    """What `harness ablate` was asked for.

    Attributes:
        patch: the diff.
        name: what it is called in messages: RUN/ATTEMPT, or the file.
        task: a task file, or a bundled task's name.
        into: the folder for what is written.
        by: into what the patch is taken apart.
        limit: the most variants that are tried, confirmations apart.
        anew: begin again although there is something to go on with.
        protocol: how patches are timed.
    """

    patch: Path
    name: str
    task: str
    into: Path
    by: By = "hunk"
    limit: int = 40
    anew: bool = False
    worktrees: Path = Path("worktrees")
    seed: int | None = None
    sandbox: Wanted = "auto"
    protocol: Protocol = field(default_factory=Protocol)


def ablate(options: AblateOptions, say: Say) -> Ablation:
    """Find out which parts of a patch carry its gain, and write the smallest patch that keeps it.

    Raises:
        UsageError: the patch has no gain to take apart, or nothing to leave out, or more than the limit allows.
        HarnessError: the base is not admitted, a folder cannot be written.
        Interrupted: Ctrl-C, SIGTERM or a closed terminal; what was tried by then is in `ablation.json`, and the same
            call goes on.
    """
    loaded = load_task(options.task)
    use_sandbox(options.sandbox)
    require_writable(options.worktrees)
    keep_out((options.worktrees, options.into))
    book: Notebook | None = None
    try:
        space_name = f"ablate-{secrets.token_hex(4)}"
        with terminable(), workspace(options.worktrees / space_name) as space, ExitStack() as stack:
            sealed = seal(loaded, space / "judge.git")
            try:
                divided = divide(sealed, options.patch, loaded.task.target_files, options.by)
            except AttemptEnded as end:
                raise UsageError(f"{options.name}: {end.message}", remedy=_NO_GAIN) from end
            _require_parts(options, divided)
            make_folder(options.into, "-o")
            stack.enter_context(_alone_in(options.into))
            book = _notebook(options, loaded, divided)
            if book.record.smallest is None:
                Work(
                    loaded=loaded,
                    divided=divided,
                    book=book,
                    into=options.into,
                    space=space,
                    seed=secrets.randbits(53) if options.seed is None else options.seed,
                    protocol=options.protocol,
                    say=say,
                ).run()
            else:
                say(f"{options.into}: this was done before; --anew does it again.")
    except KeyboardInterrupt as stop:
        kept = "Nothing is kept."
        if book is not None and book.record.admission is not None:
            tried = counted(len(book.record.trials), "variant")
            kept = f"Kept: {options.into} with {tried}; the same command goes on."
        raise Interrupted(f"Interrupted. {kept}") from stop
    return book.record


def _require_parts(options: AblateOptions, divided: DividedPatch) -> None:
    count = len(divided.parts)
    if count == 1:
        closer = {"file": "--by hunk looks inside it.", "hunk": "--by line-group looks inside it."}
        raise UsageError(
            f"{options.name}: it is one {options.by.replace('-', ' ')}, so there is nothing to leave out.",
            remedy=closer.get(options.by),
        )
    if count > options.limit:
        raise UsageError(
            f"{options.name} has {count} parts, and each is left out once: more than --limit {options.limit} variants.",
            remedy=f"Allow more with --limit {2 * count}, or take it apart into files with --by file.",
        )


def _notebook(options: AblateOptions, loaded: LoadedTask, divided: DividedPatch) -> Notebook:
    wanted = Ablation(
        patch=options.name,
        task=loaded.task.name,
        by=options.by,
        sha256=divided.whole.sha256,
        base_commit=divided.repository.commit,
        made_of=made_of(loaded, divided.repository.tree),
        limit=options.limit,
        parts=divided.parts,
    )
    kept = None if options.anew else kept_record(options.into, wanted)
    if kept is None:
        (options.into / SMALLEST).unlink(missing_ok=True)  # of another patch, task or harness
    return Notebook(options.into, kept or wanted)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Nobody else writes there meanwhile; the kernel lets go of what a killed process held.

    Raises:
        UsageError: somebody does.
    """
    try:
        with FileLock(folder / ".ablation.lock", timeout=0):
            yield
    except Timeout as error:
        raise UsageError(
            f"Another `harness ablate` is writing to {folder}.", remedy="Wait for it, or name another folder with -o."
        ) from error
