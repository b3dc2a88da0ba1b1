"""Tripwires: what each one sees, what it does not mind, and that only what a patch adds counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import Rejected
from harness.policy import added_findings, require_honest
from harness.verdict import Finding


def findings(tmp_path: Path, after: str, before: str = "import torch\n") -> list[Finding]:
    for name, text in (("base", before), ("candidate", after)):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "core.py").write_text(text)
    return added_findings(tmp_path / "base", tmp_path / "candidate", ["core.py"])


PROOFS = {
    "patches_runtime": [
        "import time\ntime.perf_counter = lambda: 0",
        "import time as t\nt.sleep = None",
        "from torch import cuda\ncuda.synchronize = None",
        "from torch import Tensor\nTensor.__eq__ = None",
        "import torch\nx = torch.cuda\nx.synchronize = None",
        "import torch\nsetattr(torch.cuda, 'synchron' + 'ize', None)",
        "import builtins\ndel builtins.len",
        "import time\nvars(time)['time'] = None",
        "import time\ntime.__dict__.update(time=None)",
        "import sys\nsys.modules['time'].time = None",
        "__import__('time').time = None",
        "import importlib\nimportlib.import_module('time').time = None",
        "import time\nglobals()['time'].time = None",
        "import time\nfor time.time in [None]: pass",
        "import time\ntime.time, x = None, 1",
        "import time\n(t := time).time = None",
        "def f():\n    import torch\n    torch.equal = None",
        "import os\nos.getpid = None",
    ],
    "replaces_modules": [
        "import sys\nsys.modules['torch'] = None",
        "from sys import modules\nmodules.pop('torch')",
        "import sys\ndel sys.modules['torch']",
        "import sys\nvars(sys)['modules'].update(torch=None)",
    ],
    "walks_frames": [
        "import sys\ndef f():\n    return sys._getframe().f_back",
        "import gc\nfound = gc.get_objects()",
        "from gc import get_referrers as g",
        "def f(error):\n    return error.__traceback__.tb_frame",
    ],
    "writes_interpreter": [
        "import ctypes\nctypes.memmove(id(len), b'x', 1)",
        "import ctypes\nctypes.c_long.from_address(id(1)).value = 2",
    ],
    "knows_the_judge": [
        "import __main__",
        "import pytest",
        "from harness.timing import oracle",
        "import sys\nx = 'pytest' in sys.modules",
        "import os\nx = os.environ.get('PYTEST_CURRENT_TEST')",
        "import sys\nx = sys.modules.get('__main__')",
    ],
    "signals_processes": ["import os\nos.kill(os.getppid(), 9)", "from os import killpg"],
}


@pytest.mark.parametrize(("rule", "source"), [(rule, source) for rule in PROOFS for source in PROOFS[rule]])
def test_what_proves_cheating_is_rejected(tmp_path: Path, rule: str, source: str) -> None:
    found = findings(tmp_path, source)
    with pytest.raises(Rejected) as end:
        require_honest([each for each in found if each.rule == rule])
    assert end.value.cause == rule
    assert end.value.message.startswith("core.py:")


REVIEWED = {
    "clock": "import time\nstart = time.perf_counter()",
    "collector": "import gc\ngc.disable()",
    "raw_memory": "import ctypes\nlibc = ctypes.CDLL(None)",
    "reads_frames": "import inspect\nx = inspect.stack()",
    "reads_environment": "import os\nx = os.environ['X']",
    "sets_environment": "import torch\ntorch.backends.cudnn.benchmark = True",
    "processes": "import subprocess",
    "threads": "from concurrent.futures import ThreadPoolExecutor",
    "at_exit": "import atexit",
    "files": "def f():\n    with open('x', 'w') as file: pass",
    "network": "import socket",
    "dynamic_code": "exec('x = 1')",
    "dynamic_access": "import torch\ndef f(name):\n    return getattr(torch, name)",
    "caches": "from functools import lru_cache\n@lru_cache\ndef f(n): return n",
    "keeps_state": "_seen = {}\ndef f(x):\n    _seen[x] = 1",
    "streams": "import torch\ndef f():\n    return torch.cuda.Stream()",
    "tensor_subclass": "import torch\nclass T(torch.Tensor): pass",
    "process_settings": "import torch\ntorch.set_num_threads(1)",
}


@pytest.mark.parametrize(("rule", "source"), REVIEWED.items(), ids=REVIEWED.keys())
def test_what_deserves_a_look_is_told_and_changes_nothing(tmp_path: Path, rule: str, source: str) -> None:
    found = findings(tmp_path, source)
    assert rule in [each.rule for each in found]
    require_honest(found)


UNMINDED = [
    "import torch\n@torch.compile\ndef f(x): return x + 1",
    "import triton\n\ndef f(kernel, grid):\n    kernel[grid](num_stages=2, num_warps=8)",
    "import math, itertools, functools\nf = functools.partial(math.pow, 2)",
    "import numpy as np\n\ndef f(x):\n    out = np.empty(3)\n    out[0] = x\n    return out",
    "def f(time):\n    time.x = 1",
    "def f(xs):\n    memo = {}\n    for x in xs:\n        memo[x] = 1\n    return memo",
    "class A:\n    def __init__(self):\n        self.time = 0\n    def f(self):\n        self.time += 1",
    '"""Talks of pytest, time.time = 0 and sys.modules."""\n# exec, eval, gc.get_objects()',
    "import re\nx = re.compile('a')",
    "if __name__ == '__main__':\n    print(1)",
    "import os\nx = os.path.join('a', 'b')\ny = os.cpu_count()",
    "TABLE = {1: 2}\n\ndef f(x):\n    return TABLE[x]",
    "def f(x: 'time.time') -> 'gc.get_objects': return x",
    "from __future__ import annotations\nfrom .core import thing",
    "this is no python (",
]


@pytest.mark.parametrize("source", UNMINDED)
def test_ordinary_code_trips_nothing(tmp_path: Path, source: str) -> None:
    assert findings(tmp_path, source) == []


HIDDEN = "import time\ntime.perf_counter = lambda: 0\n"


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        (b"\xef\xbb\xbf" + HIDDEN.encode(), "patches_runtime"),
        (b'# coding: utf-7\n"""+ACIAIgAi-\n' + HIDDEN.encode() + b'+ACIAIgAi-\n"""\n', "patches_runtime"),
        (b'# coding: utf-7\n"""+ACIAIgAi-\nx = 1\n+ACIAIgAi-\n"""\n', "encoding"),
        (b"# coding: not_known_yet\n" + HIDDEN.encode(), "encoding"),
        ("a = 1\nif a: pass\n" + "elif a: pass\n" * 900 + HIDDEN, "patches_runtime"),
        ("a = 1\nx = a" + " + a" * 2900 + "\n" + HIDDEN, "patches_runtime"),
        ("a = 1\nx = a" + " + a" * 100_000 + "\n" + HIDDEN, "unreadable"),
    ],
    ids=["bom", "utf-7", "utf-7 alone", "unknown", "elif", "deep", "deeper"],
)
def test_nothing_hides_from_being_read(tmp_path: Path, source: bytes | str, rule: str) -> None:
    for name in ("base", "candidate"):
        (tmp_path / name).mkdir()
    (tmp_path / "candidate" / "core.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    found = added_findings(tmp_path / "base", tmp_path / "candidate", ["core.py"])
    assert rule in [each.rule for each in found if each.severity == "reject"]
    # Held against nobody whose base is like it.
    assert added_findings(tmp_path / "candidate", tmp_path / "candidate", ["core.py"]) == []


def test_only_what_is_added_counts(tmp_path: Path) -> None:
    before = "import time\n\ndef f():\n    return time.time()\n"
    assert (
        findings(tmp_path, "import time\n# moved\n\nclass A:\n    def g(self):\n        return time.time()\n", before)
        == []
    )
    twice = findings(tmp_path, before + "\ndef g():\n    return time.time()\n", before)
    assert [(each.rule, each.line) for each in twice] == [("clock", 7)]


def test_other_files_are_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "core.cpp").write_text("import gc")
    assert added_findings(tmp_path, tmp_path, ["core.cpp", "missing.py"]) == []


def test_a_flood_keeps_its_proofs(tmp_path: Path) -> None:
    source = "import gc\n" + "gc.collect()\n" * 500 + "gc.get_objects()\n"
    found = findings(tmp_path, source)
    assert len(found) == 200
    assert [each.line for each in found if each.severity == "reject"] == [502]
