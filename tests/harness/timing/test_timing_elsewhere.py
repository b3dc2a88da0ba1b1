"""Work that hides in another process, and a target that is imported from elsewhere."""

import subprocess
import sys

import psutil
from toy_task import HONEST, Toy

from harness.timing.client import check_outputs
from harness.timing.descendants import used_by_tree
from harness.timing.measurement import Refusal

FAMILY = """
import os, sys, time
def burn():
    start = time.process_time()
    while time.process_time() - start < 0.3:
        pass
if os.fork() == 0:
    burn()
    os._exit(0)
os.wait()
if os.fork() == 0:
    burn()
    print("done", flush=True)
    time.sleep(60)
time.sleep(60)
"""


def test_a_process_answers_for_its_children() -> None:
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        spent = used_by_tree(process.pid).cpu_ns
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
    # One child has ended, one lives; each used 0.3 s.
    assert spent > 0.55e9
    assert used_by_tree(process.pid).cpu_ns == 0


def test_a_target_from_elsewhere_is_nobodys_cheat(toy: Toy) -> None:
    found = check_outputs(toy.job(HONEST).model_copy(update={"api": "json.decoder"}))
    assert isinstance(found, Refusal)
    assert (found.cause, found.status) == ("patch_not_in_effect", "infra_failed")
    assert "json/__init__.py" in found.message


def test_a_target_cannot_say_that_it_is_from_elsewhere(toy: Toy) -> None:
    assert check_outputs(toy.job("__file__ = '/usr/lib/python3/toy.py'\n" + HONEST)) is None
