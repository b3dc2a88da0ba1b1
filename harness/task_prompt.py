"""What an agent is told ahead of an attempt."""

from __future__ import annotations

from agent.prompt import render
from harness.attempt_setup import Setup
from harness.brief import Brief
from harness.patch import SCRATCH
from harness.repository_words import repository_words


def render_prompt(setup: Setup, brief: Brief | None = None) -> str:
    """What the agent is told: the task, its rules and its shown workloads; nothing of what is held out."""
    task = setup.judge.loaded.task
    return render(
        "task.md.j2",
        title=task.title,
        description=task.description,
        target_files=task.target_files,
        api=task.api,
        constraints=task.constraints,
        workloads=[{"name": workload.name, "params": workload.params} for workload in setup.judge.base.shown],
        device=setup.judge.base.device,
        public_tests=task.tests.public,
        build=task.build,
        limits=task.limits,
        min_effect_percent=round(setup.judge.min_effect * 100, 1),
        scratch_dir=SCRATCH,
        own_tools=setup.agent.own_tools,
        shown=brief.shown if brief else "",
        hints=brief.hints if brief else [],
        repository_words=repository_words(
            setup.judge.base.root, setup.judge.base.repository.files(), task.target_files
        ),
    )
