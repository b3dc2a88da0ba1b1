"""What a command of the target's side may see and touch.

Two halves: a scrubbed environment, which carries no key, no harness variable and no path but the checkout and
a private scratch folder; and a sandbox, an argument prefix that confines files, processes, network and use of the
machine. `docs/sandbox.md` says what holds under which.
"""

from harness.sandbox.choose import NoSandbox, Wanted, choose_sandbox, working_sandboxes
from harness.sandbox.confinement import Confinement, ResourceLimits, Sandbox, SandboxUnavailable
from harness.sandbox.environment import scrubbed_environment
from harness.sandbox.processes import end_with_parent, harden_self, host_pid, lineage
from harness.sandbox.run import current_sandbox, has_gpu_devices, run_confined, use_sandbox
from harness.sandbox.withheld import keep_out, kept_out

__all__ = [
    "Confinement",
    "NoSandbox",
    "ResourceLimits",
    "Sandbox",
    "SandboxUnavailable",
    "Wanted",
    "choose_sandbox",
    "current_sandbox",
    "end_with_parent",
    "harden_self",
    "has_gpu_devices",
    "host_pid",
    "keep_out",
    "kept_out",
    "lineage",
    "run_confined",
    "scrubbed_environment",
    "use_sandbox",
    "working_sandboxes",
]
