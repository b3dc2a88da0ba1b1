"""Which sandbox this machine can give: each is really tried before it is believed."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.sandbox.bubblewrap import BubblewrapSandbox
from harness.sandbox.confinement import Confinement, Sandbox, SandboxUnavailable
from harness.sandbox.landlock import KernelSandbox
from harness.sandbox.launcher import landlock
from harness.temporary import temporary_folder

Wanted = Literal["auto", "bubblewrap", "landlock", "landlock-only", "namespaces", "docker", "podman", "none"]

_MACHINES = ("x86_64", "aarch64")
_TRIAL_SECONDS = 20.0
_REMEDY = (
    "Install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap). In a container, start it with "
    "--security-opt seccomp=unconfined, or on a kernel with Landlock (5.13 or later, CONFIG_SECURITY_LANDLOCK). "
    "--sandbox none runs without one, and every verdict will say so."
)


@dataclass(frozen=True)
class NoSandbox:
    """Nothing is confined: processes are separate, and that is all."""

    @property
    def name(self) -> str:
        """`none`."""
        return "none"

    @property
    def separates_processes(self) -> bool:
        """It does not."""
        return False

    def wrap(self, confinement: Confinement) -> list[str]:
        """Nothing to put before a command."""
        return []


def choose_sandbox(wanted: Wanted = "auto") -> Sandbox:
    """The sandbox asked for by name, or for `auto` the strongest that works here; never `none` by itself.

    Raises:
        SandboxUnavailable: there is none, or not this one; says what is missing and how to get one.
    """
    if wanted == "none":
        return NoSandbox()
    if wanted in ("docker", "podman"):
        raise SandboxUnavailable(
            f"{wanted}: not a way to start commands here, since it cannot hand on open descriptors.",
            remedy=f"Start the whole harness in a {wanted} container; inside it, --sandbox auto finds what there is.",
        )
    reasons = []
    for sandbox in _candidates(wanted):
        reason = problem(sandbox)
        if reason is None:
            return sandbox
        reasons.append(f"{sandbox.name}: {reason}")
    raise SandboxUnavailable(
        f"No sandbox ({wanted}) can be made on this machine: {'; '.join(reasons)}.",
        remedy=_REMEDY,
    )


def working_sandboxes() -> list[Sandbox]:
    """Every sandbox that works here, for tests and for `doctor`."""
    kinds: tuple[Wanted, ...] = ("bubblewrap", "landlock", "landlock-only", "namespaces")
    return [sandbox for kind in kinds for sandbox in _candidates(kind) if problem(sandbox) is None]


def _candidates(wanted: Wanted) -> list[Sandbox]:
    """From the strongest to the weakest. `landlock` asked for by name may do without namespaces."""
    has_landlock = landlock.version() > 0
    kinds: dict[Wanted, Sandbox] = {
        "bubblewrap": BubblewrapSandbox(shutil.which("bwrap") or "bwrap", landlock=has_landlock),
        "landlock": KernelSandbox(namespaces=True, landlock=True),
        "namespaces": KernelSandbox(namespaces=True, landlock=False),
        "landlock-only": KernelSandbox(namespaces=False, landlock=True),
    }
    return list(kinds.values()) if wanted == "auto" else [kinds[wanted]]


@functools.cache
def problem(sandbox: Sandbox) -> str | None:
    """Why a sandbox does not work here; None where it does. Tried once for a process, with a real command."""
    if platform.machine() not in _MACHINES:
        return f"{platform.machine()} is not among {', '.join(_MACHINES)}"
    with temporary_folder("sandbox") as folder:
        secret = Path(folder) / "secret"
        secret.write_text("out", encoding="ascii")
        inside = Path(folder) / "inside"
        inside.mkdir()
        # It must see what it may and write where it may, and not see what it was not shown.
        script = 'test -r /usr/bin/env && echo in > in && ! cat "$1" 2>/dev/null && cat in'
        line = [*sandbox.wrap(Confinement(writable=(inside,))), "bash", "-c", script, "bash", str(secret)]
        try:
            done = subprocess.run(
                line,
                cwd=inside,
                env={"PATH": os.defpath + ":/usr/local/bin"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TRIAL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode == 0 and done.stdout == "in\n":
            return None
        said = done.stderr.strip().splitlines()
        return said[-1] if said else f"a trial ended with exit code {done.returncode}"
