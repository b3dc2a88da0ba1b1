"""The launcher, from its arguments to the command it becomes."""

from __future__ import annotations

import os
import sys

from . import kernel, landlock, limits, namespaces, seccomp
from .spec import Spec, View

FAILED = 126


def main(arguments: list[str]) -> None:
    """Put up the walls of the spec in `arguments[0]`, then become the command in the rest. Never returns."""
    try:
        run(Spec.from_argument(arguments[0]), arguments[1:])
    except OSError as error:
        sys.stderr.write(f"sandbox: {error}\n")
    sys.stderr.flush()
    os._exit(FAILED)


def run(spec: Spec, command: list[str]) -> None:
    """See `main`.

    Raises:
        OSError: a wall cannot be put up, or the command cannot be started.
    """
    isolated, network = "isolated" in spec.walls, "network" in spec.walls
    kernel.die_with_parent()
    if "namespaces" in spec.walls:
        namespaces.enter_and_fork(spec.view, spec.limits, network=network)
    elif not isolated:
        _supervise()
    kernel.no_new_privileges()
    limits.limit_self(spec.limits, counted_apart=isolated)
    kernel.drop_capabilities()
    if "landlock" in spec.walls:
        landlock.restrict(
            _rules(spec.view, isolated=isolated, threads="threads" in spec.walls), network=network or isolated
        )
    seccomp.restrict(
        isolated=isolated,
        network=network,
        modes="kept modes" not in spec.walls,
        forgets="kept accounts" not in spec.walls,
    )
    kernel.default_signals()
    os.execvp(command[0], command)  # noqa: S606 - to start a command is what this is for


def _supervise() -> None:
    """Without a process namespace: return in a child, and end what it leaves behind when it ends.

    Orphans come to us, however often they forked away, and are killed until none is left.
    """
    kernel.adopt_orphans()
    child = os.fork()
    if child == 0:
        os.setsid()
        kernel.die_with_parent()
        return
    kernel.hide_memory()
    namespaces.let_go()
    while True:
        pid, status = os.wait()
        if pid == child:
            break
    while children := _children():
        for pid in children:
            os.kill(pid, kernel.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)
    namespaces.exit_as(status)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as stream:
        return [int(word) for word in stream.read().split()]


def _rules(view: View, *, isolated: bool, threads: bool) -> list[landlock.Rule]:
    # Within a mount namespace the holes are mounted over; else they have to be left out of the rules.
    holes = [] if isolated else view.hide
    rules = [
        ("/proc", landlock.PROCESSES if threads else landlock.READ),
        *((path, landlock.WRITE) for path in view.write),
    ]
    for path in view.read:
        rules += landlock.around(path, holes, landlock.READ)
    if isolated:
        # All of it is ours: a private /dev with nothing in it but what was put there.
        rules += [("/dev", landlock.WRITE | landlock.DEVICE), ("/", landlock.LIST)]
        rules += [("/tmp", landlock.WRITE), ("/var/tmp", landlock.WRITE)]  # noqa: S108
    else:
        devices = ("null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx")
        rules += [("/dev/shm", landlock.UNLISTED)]  # noqa: S108
        rules += [(path, landlock.DEVICE) for path in (*(f"/dev/{name}" for name in devices), *view.devices)]
    return rules
