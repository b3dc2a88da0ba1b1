"""The record of an attempt: its verdict, made from what judging came to, written down and told."""

from __future__ import annotations

from agent.loop import AgentOutcome
from harness import __version__
from harness.attempt_setup import Setup
from harness.brief import Brief
from harness.evaluate import Judgement
from harness.events import AttemptFinished, Emit, now
from harness.kept import keep_verdict
from harness.replay_agent import ReplayAgent
from harness.sandbox import current_sandbox
from harness.store import RunFolder
from harness.verdict import Cost, Tokens, Verdict
from harness.workspace import removed


def to_verdict(
    setup: Setup, name: str, judgement: Judgement, outcome: AgentOutcome | None, brief: Brief | None = None
) -> Verdict:
    """The record of an attempt.

    Raises:
        StorageError: somebody has removed the folder for checkouts, and with it what was judged.
    """
    gone = removed(setup.judge.workspace.parent)
    if gone is not None:
        raise gone
    cost = Cost()
    if outcome is not None:
        cost = Cost(
            steps=outcome.steps,
            tokens=Tokens(**outcome.usage.model_dump()),
            usd=outcome.usd,
            seconds=round(outcome.seconds, 3),
        )
    message = judgement.message
    if outcome is not None and outcome.ended != "submitted":
        # Where the model failed, the message is that detail already.
        why = "" if outcome.detail in message else f", {outcome.detail.rstrip('.')}"
        message = f"{message} (The agent ended by itself: {outcome.ended}{why}.)"
        if outcome.tree == "best_measured":
            message += " Judged is the best tree that it measured"
            left = setup.folder.attempt(name).left_patch
            message += (
                f"; the one it left is in {name}/{left.name}." if left.exists() else "; the one it left is no patch."
            )
    return Verdict(
        run=setup.folder.name,
        attempt=name,
        task=setup.judge.loaded.task.name,
        agent=setup.agent.name,
        model=setup.agent.model,
        agent_version=setup.agent.version,
        status=judgement.status,
        cause=judgement.cause,
        message=message,
        speedup=judgement.speedup,
        workloads=judgement.workloads or [],
        timing=judgement.timing,
        patch=judgement.patch,
        findings=judgement.findings,
        base_commit=setup.judge.base.repository.commit,
        tree="left" if outcome is None else outcome.tree,
        device=setup.judge.base.machine,
        sandbox=current_sandbox().name,
        cost=cost,
        harness_version=__version__,
        finished_at=now(),
        origin=setup.agent.origin if isinstance(setup.agent, ReplayAgent) else None,
        strategy=None if brief is None else brief.strategy,
    )


def announce(run: RunFolder, emit: Emit, verdict: Verdict) -> Verdict:
    """Write the verdict down and tell it."""
    folder = run.attempt(str(verdict.attempt)).create()
    keep_verdict(folder, verdict)
    emit(AttemptFinished(at=now(), attempt=folder.name, verdict=verdict))
    return verdict
