"""Tensors through the whole of it: sent, computed, sent back, checked."""

from toy_task import Toy

from harness.timing.client import check_outputs
from harness.timing.measurement import Refusal

BENCH = '''
"""Row sums."""
import torch

from harness.timing.bench import Workload


def workloads(device):
    return [Workload(name="rows", params={"rows": 64})]


def make_inputs(workload, seed):
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randint(-9, 9, (workload.params["rows"], 8), generator=generator, dtype=torch.int32)}


def call(target, inputs):
    return target.row_sums(inputs["x"])


def check(workload, inputs, outputs):
    expected = inputs["x"].sum(1, dtype=torch.int32)
    if outputs.dtype != torch.int32 or outputs.shape != expected.shape:
        return f"expected int32 {list(expected.shape)}, found {outputs.dtype} {list(outputs.shape)}"
    wrong = (outputs != expected).nonzero()
    return f"element {int(wrong[0])}" if len(wrong) else None
'''

HONEST = "import torch\ndef row_sums(x):\n    return x.sum(1, dtype=torch.int32)\n"
LAZY = """
import torch
class Lazy(torch.Tensor):
    pass
def row_sums(x):
    return x.sum(1, dtype=torch.int32).as_subclass(Lazy)
"""


def test_tensors_are_checked_and_subclasses_refused(toy: Toy) -> None:
    toy.bench.write_text(BENCH)
    assert check_outputs(toy.job(HONEST)) is None
    found = check_outputs(toy.job(LAZY))
    assert isinstance(found, Refusal)
    assert found.cause == "call_raised"
    assert "cannot send a toy.Lazy" in found.message
