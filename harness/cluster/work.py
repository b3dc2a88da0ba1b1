"""A run's attempts on a cluster, from the connection to the last verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from harness import __version__
from harness.admission import Base
from harness.agents import Agent
from harness.cluster.connect import connected
from harness.cluster.crew import Crew
from harness.cluster.executor import RayExecutor
from harness.cluster.identity import code_digest
from harness.cluster.messages import Parcel, encode
from harness.cluster.nodes import device_begun_on, read_nodes, write_nodes
from harness.cluster.orders import Orders
from harness.cluster.parcel import clear_arrivals, pack_task
from harness.cluster.place import Place
from harness.events import now
from harness.executor import Job
from harness.frame import Frame
from harness.model_key import model_key
from harness.options import RunOptions, options_to_json
from harness.readmission import base_of
from harness.run_budget import RunBudget
from harness.verdict import Cost, Tokens, Verdict


@contextmanager
def cluster(
    run: Frame, agent: Agent, seed: int, budget: RunBudget, *, anew: bool
) -> Iterator[tuple[RayExecutor, Base]]:
    """The nodes of the run's cluster as an executor, and the base as the first of them found it.

    Args:
        run: the run; its base is sealed, and is admitted on the nodes.
        agent: the run's.
        seed: the run's secret.
        budget: the run's.
        anew: whether nodes admitted before are admitted once more, and may have another device.

    Raises:
        HarnessError: there is no such cluster, or no node of it can work.
    """
    options = run.options
    clear_arrivals(run.folder)
    admitted = {} if anew else read_nodes(run.folder)
    with connected(options.ray_address):
        orders = _orders(run, agent, seed, wanted=None if anew else device_begun_on(run.folder))
        crew = Crew(orders, options.jobs, run.emit, admitted, lambda: write_nodes(run.folder, admitted))
        executor = RayExecutor(crew, options.jobs, run.folder, budget, run.emit, _losing(run, agent, budget))
        try:
            executor.wait_for_a_place()
            # Nothing of it is checked out here; what was found of it is all that is asked.
            yield executor, base_of(next(iter(admitted.values())), run.sealed, run.space / "base")
        finally:
            executor.stop()


def _orders(run: Frame, agent: Agent, seed: int, *, wanted: str | None) -> Orders:
    import ray  # noqa: PLC0415 - an extra; `connected` says how to get it

    options = run.options
    return Orders(
        run=run.folder.name,
        options=options_to_json(_on_nodes(options)),
        seed=seed,
        limits=(options.max_usd, options.max_tokens, options.time_limit),
        device=run.loaded.task.metric.device,
        sandbox=options.sandbox,
        wanted=wanted,
        parcel=ray.put(encode(Parcel(content=pack_task(run.loaded, run.sealed)))),
        key=model_key() if agent.model is not None or options.base_url is not None else None,
        mine=(__version__, code_digest()),
    )


def _on_nodes(options: RunOptions) -> RunOptions:
    """The options as the nodes are told them: nothing of this machine's folders, nor of its environment."""
    return replace(options, base_url=options.base_url or _base_url(options), task="", ray_address="")


def _base_url(options: RunOptions) -> str | None:
    return os.environ.get("OPENAI_BASE_URL") or None if options.model is not None else None


def _losing(run: Frame, agent: Agent, budget: RunBudget) -> Callable[[Job, Place, str], Verdict]:
    def lost(job: Job, place: Place, why: str) -> Verdict:
        spent = budget.reported(job.slot.name)
        tokens = Tokens(input=spent.tokens, estimated=spent.tokens)
        return Verdict(
            run=run.folder.name,
            attempt=job.slot.name,
            task=run.loaded.task.name,
            agent=agent.name if job.slot.kind == "attempt" else job.slot.kind,
            model=agent.model if job.slot.kind == "attempt" else None,
            agent_version=agent.version if job.slot.kind == "attempt" else None,
            status="infra_failed",
            cause="lost_node",
            message=f"Node {place.node.name} was lost while it worked on this attempt: {why}",
            base_commit=run.sealed.commit,
            device=None if place.device is None else place.device.model_copy(update={"node": place.node.name}),
            sandbox=place.sandbox,
            cost=Cost(tokens=tokens, usd=spent.usd),
            harness_version=__version__,
            finished_at=now(),
        )

    return lost
