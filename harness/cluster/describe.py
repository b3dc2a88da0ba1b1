"""`python -m harness.cluster.describe KIND`: the device as JSON, told by a process that ends.

Asking torch about a GPU opens a context there, and a station lives as long as its run: it would be on the GPU beside
every measurement.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pydantic import ValidationError

from harness.errors import InfrastructureError
from harness.model_key import without_secrets
from harness.timing.machine import describe_device
from harness.verdict import Device

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 300.0


def described_elsewhere(kind: str) -> Device:
    """The device of kind `cpu` or `cuda`, as another process finds it.

    Raises:
        InfrastructureError: it cannot be asked.
    """
    paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    environment = without_secrets(os.environ) | {"PYTHONPATH": paths}
    command = [sys.executable, "-P", "-m", "harness.cluster.describe", kind]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, env=environment, check=False)
        return Device.model_validate_json(done.stdout.strip().rpartition("\n")[2])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfrastructureError(f"The {kind} device cannot be asked what it is: {error}") from error
    except ValidationError as error:
        raise InfrastructureError(
            f"The {kind} device cannot be asked what it is: {done.stderr.strip()[-2000:]}",
            remedy="See what `nvidia-smi` and torch say there." if kind == "cuda" else None,
        ) from error


if __name__ == "__main__":
    print(describe_device(sys.argv[1]).model_dump_json())
