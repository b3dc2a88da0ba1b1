"""One attempt, top to bottom: a worktree, an agent in it, its diff, and the judge's verdict."""

from __future__ import annotations

import traceback
from pathlib import Path

from agent.budget import Limits
from agent.loop import AgentOutcome
from harness import worktree
from harness.agents import NOTICE, OnStep
from harness.attempt_record import announce, to_verdict
from harness.attempt_setup import Setup
from harness.best_tree import excuse, left_in, settle_tree
from harness.brief import Brief
from harness.errors import (
    AgentFailed,
    AttemptEnded,
    HarnessError,
    InfraFailed,
    InfrastructureError,
    Rejected,
    policy_for,
)
from harness.evaluate import Judgement, OnPhase, OnProgress
from harness.events import (
    AgentNotice,
    AgentStep,
    AttemptStarted,
    AttemptWaiting,
    Phase,
    PhaseStarted,
    TimingProgress,
    now,
)
from harness.kept import keep_outcome, kept_outcome, start_over
from harness.machine_errors import machine_error
from harness.start import begin_with, require_change
from harness.task_prompt import render_prompt
from harness.timing.measurement import Progress
from harness.verdict import Verdict
from harness.waiting import Tell, watched
from harness.whole_file import write_atomic
from harness.workbench import WorktreeBench


def run_attempt(setup: Setup, name: str) -> Verdict:
    """Make one attempt, judge it, and say so. Whatever happens in it, the end is a verdict."""
    return announce(setup.folder, setup.emit, make_attempt(setup, name))


def make_attempt(setup: Setup, name: str, brief: Brief | None = None) -> Verdict:
    """Make one attempt and judge it. What an agent finished before the harness failed or was killed is judged anew.

    Args:
        setup: what the run's attempts share.
        name: the attempt's.
        brief: what the strategy tells it; None for a fresh start.
    """
    with watched(_on_wait(setup, name)):
        return _made(setup, name, brief)


def _made(setup: Setup, name: str, brief: Brief | None) -> Verdict:
    folder = setup.folder.attempt(name).create()
    tree = setup.worktrees / name
    scratch = setup.judge.workspace / f"agent-{name}"
    outcome = kept_outcome(folder)
    if outcome is None:
        start_over(folder)
    setup.emit(AttemptStarted(at=now(), attempt=name))
    try:
        if outcome is None:
            _enter(setup, name, "worktree")
            if tree.exists():
                worktree.remove(setup.repository, tree)  # of a try before this one, kept by --keep-worktrees
            worktree.add(setup.repository, tree)
            begin_with(brief, folder, setup.judge.base.repository, tree)
            prompt = render_prompt(setup, brief)
            write_atomic(folder.prompt, prompt)

            _enter(setup, name, "agent")
            bench = WorktreeBench(setup.judge.loaded, setup.judge.base, tree, setup.repository, scratch)
            limits = _limits(setup, name, bench)
            outcome = setup.agent.work(bench, prompt, limits, folder.trajectory, _on_step(setup, name))

            _enter(setup, name, "diff")
            left = left_in(setup.judge.base.repository, tree)
            outcome = settle_tree(folder, left, bench.best.tree, outcome)
            _require_a_working_agent(outcome)
            if isinstance(left, Rejected) and outcome.tree == "left":
                raise left
            keep_outcome(folder, outcome)
        require_change(brief, folder)
        judgement = setup.judge.judge(folder.patch, folder, _on_phase(setup, name), _on_progress(setup, name))
        excuse(judgement, outcome)
    except AttemptEnded as end:
        judgement = Judgement(status=end.status, cause=end.cause, message=end.message)
    except InfrastructureError as error:
        judgement = Judgement(status="infra_failed", cause=policy_for(error).cause, message=str(error))
    except HarnessError:
        raise  # a full disk, say: the run cannot go on
    except Exception as error:
        if isinstance(error, OSError) and (broken := machine_error(error, refusals=False)):
            raise broken from error
        write_atomic(folder.path / "internal_error.txt", traceback.format_exc())
        message = f"{type(error).__name__}: {error} (a bug in harness: {folder.path / 'internal_error.txt'})"
        judgement = Judgement(status="infra_failed", cause=policy_for(error).cause, message=message)
    finally:
        if not setup.keep_worktrees:
            worktree.remove(setup.repository, tree)
            worktree.remove_folder(scratch)
    return to_verdict(setup, folder.name, judgement, outcome, brief)


def verify_patch(setup: Setup, name: str, patch_file: Path) -> Verdict:
    """Judge a patch from anywhere, as if an agent had left it, and say so."""
    return announce(setup.folder, setup.emit, judge_patch(setup, name, patch_file))


def judge_patch(setup: Setup, name: str, patch_file: Path) -> Verdict:
    """Judge a patch from anywhere, as if an agent had left it."""
    folder = setup.folder.attempt(name).create()
    setup.emit(AttemptStarted(at=now(), attempt=name))
    content = patch_file.read_bytes()
    write_atomic(folder.patch, content)
    with watched(_on_wait(setup, name)):
        judgement = setup.judge.judge(folder.patch, folder, _on_phase(setup, name), _on_progress(setup, name))
    if judgement.cause == "does_not_apply":
        judgement.message = f"{judgement.message}{_what_became_of(content)}"
    return to_verdict(setup, folder.name, judgement, None)


def _what_became_of(patch: bytes) -> str:
    """What a patch may have gone through on its way, if that shows; with a blank before it."""
    if patch.startswith((b"\xff\xfe", b"\xfe\xff")):
        return " The file is UTF-16, as PowerShell's `>` writes it: save the diff as UTF-8 (git diff --output=FILE)."
    if b"\r\n" in patch:
        return " Its lines end in CRLF: convert it with dos2unix, or make it anew with git diff --output=FILE."
    return ""


def _require_a_working_agent(outcome: AgentOutcome) -> None:
    """An agent whose model failed is not judged as if it had finished; its diff is kept all the same.

    What it had measured by then can be judged (`harness.best_tree`).
    """
    if outcome.ended != "model_error" or outcome.tree == "best_measured":
        return
    if outcome.retryable:
        raise InfraFailed("model_unreachable", outcome.detail)
    raise AgentFailed("model_error", outcome.detail)


def _limits(setup: Setup, name: str, bench: WorktreeBench) -> Limits:
    limits = setup.judge.loaded.task.limits
    allowed = Limits(steps=limits.steps, seconds=limits.seconds, usd=limits.usd, tokens=limits.tokens)
    return allowed if setup.budget is None else setup.budget.within(allowed, name, lambda: bench.waited_seconds)


def _enter(setup: Setup, name: str, phase: Phase) -> None:
    setup.emit(PhaseStarted(at=now(), attempt=name, phase=phase))


def _on_phase(setup: Setup, name: str) -> OnPhase:
    return lambda phase: _enter(setup, name, phase)


def _on_step(setup: Setup, name: str) -> OnStep:
    def send(step: int, tool: str, detail: str) -> None:
        if tool == NOTICE:
            setup.emit(AgentNotice(at=now(), attempt=name, text=detail))
            return
        setup.emit(AgentStep(at=now(), attempt=name, step=step, tool=tool, detail=detail))
        if setup.budget is not None:
            setup.budget.check()

    return send


def _on_wait(setup: Setup, name: str) -> Tell:
    return lambda waits: setup.emit(AttemptWaiting(at=now(), attempt=name, over=not waits))


def _on_progress(setup: Setup, name: str) -> OnProgress:
    def send(phase: Phase, progress: Progress) -> None:
        setup.emit(TimingProgress(at=now(), attempt=name, phase=phase, progress=progress))

    return send
