"""`harness init`: from a repository and the name of a function to a task that can be checked and run."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from harness.build import build
from harness.drafting.call import plan_call
from harness.drafting.draft import Draft, kept_cases, write_draft
from harness.drafting.drafted import Drafted
from harness.drafting.function import Function, find_function
from harness.drafting.guess import guessed_call
from harness.drafting.inputs import plan_inputs
from harness.drafting.record import Evidence, Recording, mentions
from harness.drafting.settle import Say, settle
from harness.errors import BuildFailed, UsageError
from harness.git import GitError, run_git
from harness.interruption import terminable
from harness.sandbox import Wanted, use_sandbox
from harness.source import seal
from harness.task import LoadedTask, Source, Task
from harness.task_file import load_task
from harness.text import printable
from harness.workspace import require_writable, workspace

_GUESSED = "its annotations alone"


@dataclass(frozen=True)
class InitOptions:
    """What to draft, and from what.

    Attributes:
        repository: a folder; where it is the root of a git work tree without changes, its commit is the source.
        function: `pkg.mod:fn`.
        out: the task file to write; None for tasks/NAME.yaml.
        trace: a command that calls the function.
        calls: expressions that do.
        build: commands that the repository needs before it can be imported.
        most_calls: how many calls are looked at.
        seconds: wall-clock limit of each command.
    """

    repository: Path
    function: str
    worktrees: Path
    out: Path | None = None
    trace: str | None = None
    calls: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    force: bool = False
    most_calls: int = 20
    seconds: float = 300.0
    sandbox: Wanted = "auto"


def init_task(options: InitOptions, say: Say) -> Drafted:
    """Draft a task.

    Raises:
        UsageError: there is no such repository, module or function; the command fails or never calls it; it is
            nothing that a task can be drafted for; or a file is there already.
        StorageError: something cannot be written.
    """
    if not options.repository.is_dir():
        raise UsageError(f"There is no folder {options.repository}.", remedy="Give the root of a repository.")
    if options.trace is not None and options.calls:
        raise UsageError("--trace and --call exclude each other.", remedy="Give the command, or one call or more.")
    file = _task_file(options)
    if not options.force:
        there = [path for path in (file, file.with_suffix("")) if path.exists()]
        if there:
            raise UsageError(f"{there[0]} is there already.", remedy="--force writes over it; -o names another file.")
    find_function(options.repository, options.function)  # what is mistyped should not cost a copy
    require_writable(options.worktrees)
    use_sandbox(options.sandbox)
    with terminable(), workspace(options.worktrees / f"init-{secrets.token_hex(4)}") as space:
        source = _source(options.repository.resolve(), file.parent.resolve())
        sealed = seal(_placeholder(file, source), space / "judge.git")
        checkout = space / "base"
        sealed.check_out(checkout)
        try:
            build(list(options.build), checkout, space / "build", space / "build.log")
        except BuildFailed as error:
            raise UsageError(f"The repository does not build: {error.message}", remedy="Mend --build.") from error
        function = _sealed_function(checkout, options.function, source)
        recording = Recording(options.repository, checkout, space / "record", options.most_calls, options.seconds, say)
        evidence = _evidence(function, options, recording)
        draft = _plan(file.stem, function, evidence, source, options)
        problem, tests = settle(draft, space, checkout, say)
        if problem is not None:
            draft.notes.insert(0, f"the base does not satisfy this draft yet: {problem}")
        written = write_draft(draft, file.parent, checkout)
        load_task(str(written))
    return Drafted(
        task=str(file),
        files=[str(path) for path in sorted([file, *(p for p in file.with_suffix("").rglob("*") if p.is_file())])],
        function=f"{function.module}:{function.name}",
        calls=len(evidence.calls),
        seen_in=evidence.how,
        workloads=[each["name"] for each in draft.workloads()],
        tests=tests,
        problem=problem,
        draft=draft.to_confirm(),
    )


def _task_file(options: InitOptions) -> Path:
    if options.out is None:
        name = re.sub(r"[^a-z0-9_-]", "_", options.function.rpartition(":")[2].lower()).lstrip("_-") or "task"
        return Path("tasks") / f"{name}.yaml"
    if options.out.suffix not in (".yaml", ".yml") or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", options.out.stem):
        raise UsageError(
            f"-o {options.out}: a task file is NAME.yaml, its name of lower-case letters, digits, _ and -.",
            remedy="The bench and what belongs to it go into a folder NAME beside it.",
        )
    return options.out


def _source(repository: Path, folder: Path) -> dict[str, str]:
    """The commit that is checked out where no tracked file was changed since, else the folder as it is.

    Raises:
        UsageError: the folder as it is would hold the task, its oracle and its hidden tests with it.
    """
    relative = os.path.relpath(repository, folder)
    try:
        is_root = Path(run_git(repository, "rev-parse", "--show-toplevel").decode().strip()).resolve() == repository
        if is_root and not run_git(repository, "status", "--porcelain", "--untracked-files=no"):
            return {"git": relative, "commit": run_git(repository, "rev-parse", "HEAD").decode().strip()}
    except GitError:
        pass  # no work tree of git, or one without a commit
    if folder.is_relative_to(repository):
        raise UsageError(
            f"{folder} lies in {repository}, which is no clean checkout of a commit: the task would be part of its own "
            "target, hidden tests and all.",
            remedy="Commit what was changed, or write the task elsewhere: -o ../NAME.yaml.",
        )
    return {"path": relative}


def _sealed_function(checkout: Path, named: str, source: dict[str, str]) -> Function:
    try:
        return find_function(checkout, named)
    except UsageError as error:
        where = f"commit {source['commit'][:12]}" if "commit" in source else "what git does not ignore there"
        raise UsageError(f"{error.args[0]}\nIt is in the folder, and not in {where}.", remedy="Commit it.") from error


def _placeholder(file: Path, source: dict[str, str]) -> LoadedTask:
    """A task with a source and nothing else yet, for what only looks at that."""
    task = Task(
        name="draft",
        title="",
        description="",
        source=Source(**source),
        target_files=["*"],
        bench="bench.py",
        api="draft",
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    return LoadedTask(task=task, file=file.resolve())


def _evidence(function: Function, options: InitOptions, recording: Recording) -> Evidence:
    files = mentions(recording.checkout, function.name)
    if options.trace is not None or options.calls:
        found = _shown(function, options, recording)
        tests = recording.tests(function, files) if files else None
        return found if tests is None else replace(found, beside=tuple(tests.calls))
    if files:
        recording.say(f"looking at {function.name} in {', '.join(files)} ...")
        tests = recording.tests(function, files)
        if tests is not None:
            return tests
    recording.say("nothing shows it at work; going by its annotations ...")
    return Evidence([guessed_call(function)], _GUESSED)


def _shown(function: Function, options: InitOptions, recording: Recording) -> Evidence:
    if options.trace is not None:
        recording.say(f"looking at {function.name} in `{printable(options.trace)}` ...")
        return recording.command(function, options.trace)
    recording.say(f"looking at {function.name} in {' and '.join(map(printable, options.calls))} ...")
    seen = [recording.expression(function, call) for call in options.calls]
    return Evidence([call for each in seen for call in each.calls], " and ".join(each.how for each in seen))


def _plan(name: str, function: Function, evidence: Evidence, source: dict[str, str], options: InitOptions) -> Draft:
    call = plan_call(function, evidence.calls)
    if not call.inputs:
        raise UsageError(
            f"{function.file}:{function.first}: {function.name} was called without an argument.",
            remedy="Time the program with metric.mode command (docs/measurement.md), or name another function.",
        )
    # Only calls that were given everything, so that what belongs together is read from one and the same.
    whole = [each for each in evidence.calls if all(needed in each.arguments for needed in call.inputs)]
    draft = Draft(
        name=name,
        function=function,
        evidence=evidence,
        call=call,
        inputs=plan_inputs(whole, call.inputs),
        source=source,
        build=list(options.build),
        public=[],
    )
    draft.cases = kept_cases(draft)
    if evidence.how == _GUESSED:
        draft.notes.append("make_inputs: nobody saw the function at work: sizes and ranges are made up")
    return draft
