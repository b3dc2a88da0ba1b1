"""Agents by name: those that come with the harness, and those that installed packages add.

A package adds an agent with an entry point of the group `perf_harness.agents`: a callable that is given an
`AgentRequest` and returns an `Agent`. docs/agents.md has an example.
"""

from __future__ import annotations

import difflib
import importlib.metadata
from collections.abc import Callable

from harness.agents import BUILT_IN, Agent, AgentRequest
from harness.errors import UsageError
from harness.external.codex import make_codex
from harness.external.command import make_command
from harness.external.manual import make_manual
from harness.external.mini import make_mini
from harness.external.oracle import make_oracle

GROUP = "perf_harness.agents"

Factory = Callable[[AgentRequest], Agent]

_EXTERNAL: dict[str, Factory] = {
    "codex": make_codex,
    "mini": make_mini,
    "command": make_command,
    "manual": make_manual,
    "oracle": make_oracle,
}


def make_external(name: str, request: AgentRequest) -> Agent:
    """An agent that is not built into the loop.

    Raises:
        UsageError: there is none of that name, or a package's cannot be loaded; or it lacks something it needs.
    """
    factory = _EXTERNAL.get(name)
    return factory(request) if factory else _plugged_in(name, request)


def names() -> list[str]:
    """Every agent that can be asked for here."""
    return [*BUILT_IN, *_EXTERNAL, *sorted(_plug_ins())]


def _plug_ins() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def _plugged_in(name: str, request: AgentRequest) -> Agent:
    point = _plug_ins().get(name)
    if point is None:
        nearest = difflib.get_close_matches(name, names(), n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise UsageError(f"There is no agent {name!r}.{hint}", remedy=f"Agents: {', '.join(names())}.")
    of = f"{point.dist.name} {point.dist.version}" if point.dist else "an installed package"
    try:
        factory = point.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"The agent {name!r} of {of} ({point.value}) cannot be loaded: {error}.",
            remedy="Reinstall or remove that package.",
        ) from error
    agent = factory(request)
    missing = [each for each in Agent.__annotations__ if not hasattr(agent, each)]
    if missing or not callable(getattr(agent, "work", None)):
        raise UsageError(
            f"The agent {name!r} of {of} is no agent: it lacks {', '.join(missing) or 'work()'}.",
            remedy="docs/agents.md, 'An agent of your own', says what one has.",
        )
    return agent  # type: ignore[no-any-return]
