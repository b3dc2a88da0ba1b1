"""Running the target's side confined: one function, so that no caller can forget it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent.shell import run_command
from agent.workbench import CommandResult
from harness.quiet import noisy
from harness.sandbox.choose import Wanted, choose_sandbox
from harness.sandbox.confinement import Confinement, Sandbox
from harness.sandbox.environment import scrubbed_environment

_chosen: list[Sandbox] = []


def use_sandbox(wanted: Wanted) -> Sandbox:
    """Choose the sandbox of this process; everything of the target's side that it starts runs in it.

    Raises:
        SandboxUnavailable: it cannot be made here; says how to get one.
    """
    _chosen[:] = [choose_sandbox(wanted)]
    return _chosen[0]


def current_sandbox() -> Sandbox:
    """The sandbox in use: the one chosen, else the best that works here."""
    return _chosen[0] if _chosen else use_sandbox("auto")


def has_gpu_devices() -> bool:
    """Whether there is a GPU for a command to use."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def run_confined(
    command: str,
    *,
    checkout: Path,
    scratch: Path,
    seconds: float,
    max_bytes: int,
    readable: tuple[Path, ...] = (),
    variables: Mapping[str, str] | None = None,
    gives_way: bool = True,
) -> CommandResult:
    """Run a bash command in a checkout: scrubbed environment, writing to checkout and scratch only, no network.

    Args:
        command: the bash command line.
        checkout: the tree under work; the command starts there and may change it.
        scratch: a private folder for home, caches and temporary files; made if it is not there.
        seconds: wall-clock limit.
        max_bytes: how much of its output is kept.
        readable: what it may read besides.
        variables: environment variables beside the scrubbed ones.
        gives_way: whether it is frozen while somebody measures; if not, measurements wait for its end, so whoever
            asks for that must see to it that it ends. Either way it does not start beside one (`harness.quiet`).
    """
    environment = scrubbed_environment(checkout, scratch)  # makes the scratch folder, which must be there to be bound
    gpu = has_gpu_devices()
    confinement = Confinement(writable=(checkout, scratch), readable=readable, gpu=gpu)
    with noisy(gpu=gpu) as noise:
        return run_command(
            command,
            cwd=checkout,
            env=environment | dict(variables or {}),
            seconds=seconds,
            max_bytes=max_bytes,
            wrap=current_sandbox().wrap(confinement),
            hold=noise.give_way if gives_way else noise.stay,
        )
