"""The lease on a GPU, between real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.timing.gpu_lease import lease

HOLD = """
import sys, time
from pathlib import Path
from harness.timing.gpu_lease import lease
with lease("GPU-1/2", print, Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_lease_is_waited_for_and_ends_with_its_holder(tmp_path: Path, how: signal.Signals) -> None:
    process = holder(tmp_path)
    said: list[str] = []
    start = time.monotonic()

    def end_the_holder(sentence: str) -> None:
        said.append(sentence)
        process.send_signal(how)

    with lease("GPU-1/2", end_the_holder, tmp_path) as waited:
        assert process.wait(10) == -how
        assert 1.0 <= waited <= time.monotonic() - start
    assert len(said) == 1
    assert f"process {process.pid}" in said[0]


def test_another_gpu_is_another_lease(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with lease("GPU-3", pytest.fail, tmp_path) as waited:
            assert waited < 1.0
    finally:
        process.kill()
        process.wait()


def test_a_lease_that_cannot_be_taken_is_our_failure(tmp_path: Path) -> None:
    (tmp_path / "GPU-3.lock").mkdir()
    with (
        pytest.raises(InfrastructureError, match=r"GPU-3\.lock cannot be taken"),
        lease("GPU-3", pytest.fail, tmp_path),
    ):
        pass
