"""What `harness run` was asked for. It is written down with the run, so that the run can be gone on with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from harness.errors import UsageError
from harness.live_model import LiveOptions
from harness.sandbox import Wanted

ExecutorKind = Literal["local", "ray"]


@dataclass(frozen=True)
class RunOptions:
    """What `harness run` was asked for.

    Attributes:
        jobs: attempts that are worked on at once.
        fresh: tell the attempts nothing of earlier runs of the task.
        strategy: `NAME` or `NAME:KEY=VALUE,...`; None for the task's.
        max_usd, max_tokens, time_limit: what all attempts may use together, time in seconds; None for no limit.
        executor: where attempts are worked on: this machine, or the nodes of the Ray cluster at `ray_address`.
    """

    task: str
    agent: str | None = None
    model: str | None = None
    base_url: str | None = None
    attempts: int = 1
    out: Path = Path("runs")
    worktrees: Path = Path("worktrees")
    keep_worktrees: bool = False
    seed: int | None = None
    placebos: int = 0
    sandbox: Wanted = "auto"
    allow_hosts: tuple[str, ...] = ()
    live: LiveOptions = field(default_factory=LiveOptions)
    limits: tuple[str, ...] = ()
    jobs: int = 1
    max_usd: float | None = None
    max_tokens: int | None = None
    time_limit: float | None = None
    strategy: str | None = None
    fresh: bool = False
    executor: ExecutorKind = "local"
    ray_address: str = "auto"


_Options: TypeAdapter[RunOptions] = TypeAdapter(RunOptions)


def require_possible(options: RunOptions) -> None:
    """Refuse at once what a cluster cannot do, and one that cannot be reached from here.

    Raises:
        UsageError: the worktrees are to be kept, or a person is to work in one: they are on other machines. Or Ray is
            not installed, or its cluster's address is none, or is given to a run that stays on this machine.
    """
    if options.executor != "ray":
        if options.ray_address != "auto":
            raise UsageError(
                f"--ray-address {options.ray_address} says where a cluster is, and the run stays on this machine.",
                remedy="Add --executor ray, or leave the address out.",
            )
        return
    from harness.cluster.connect import require_ray  # noqa: PLC0415 - for clusters alone

    if options.keep_worktrees:
        raise UsageError("--keep-worktrees and --executor ray exclude each other: worktrees are on the nodes.")
    if (options.agent or "").partition(":")[0] == "manual":
        raise UsageError("--agent manual and --executor ray exclude each other: the worktree would be on a node.")
    require_ray(options.ray_address)


def options_to_json(options: RunOptions) -> dict[str, Any]:
    """The options as plain data."""
    found: dict[str, Any] = _Options.dump_python(options, mode="json")
    return found


def options_from_json(data: dict[str, Any]) -> RunOptions:
    """The options that `options_to_json` gave; those it did not know have their defaults.

    Raises:
        pydantic.ValidationError: it did not give these.
    """
    return _Options.validate_python(data)
