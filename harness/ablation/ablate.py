"""`harness ablate`: checks what was asked for, takes the patch apart, and has the parts judged."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from harness.ablation.notebook import Notebook, kept_record
from harness.ablation.parts import By, DividedPatch, divide
from harness.ablation.records import Ablation
from harness.ablation.work import Say, Work
from harness.errors import AttemptEnded, Interrupted, UsageError
from harness.plan import made_of
from harness.sandbox import Wanted, use_sandbox
from harness.source import seal
from harness.store import make_folder
from harness.task import LoadedTask, load_task
from harness.timing.measurement import Protocol
from harness.workspace import require_writable, terminable, workspace

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
        Interrupted: Ctrl-C or SIGTERM; what was tried by then is in `ablation.json`, and the same call goes on.
    """
    loaded = load_task(options.task)
    use_sandbox(options.sandbox)
    require_writable(options.worktrees)
    book: Notebook | None = None
    try:
        with terminable(), workspace(options.worktrees / f"ablate-{secrets.token_hex(4)}") as space:
            sealed = seal(loaded, space / "judge.git")
            try:
                divided = divide(sealed, options.patch, loaded.task.target_files, options.by)
            except AttemptEnded as end:
                raise UsageError(f"{options.name}: {end.message}", remedy=_NO_GAIN) from end
            _require_parts(options, divided)
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
        done = len(book.record.trials) if book is not None else 0
        kept = f"{done} variants are kept in {options.into}; the same command goes on." if done else "Nothing is kept."
        raise Interrupted(f"Interrupted. {kept}") from stop
    return book.record


def _require_parts(options: AblateOptions, divided: DividedPatch) -> None:
    count = len(divided.parts)
    if count == 1:
        finer = "--by line-group looks inside it." if options.by != "line-group" else None
        raise UsageError(
            f"{options.name}: it is one {options.by.replace('-', ' ')}, so there is nothing to leave out.", remedy=finer
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
    make_folder(options.into)
    kept = None if options.anew else kept_record(options.into, wanted)
    return Notebook(options.into, kept or wanted)
