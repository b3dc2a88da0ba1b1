"""From what was seen to source that makes more of its kind: every expression is evaluated."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from harness.drafting.inputs import plan_inputs
from harness.drafting.seen import Described, RecordedCall

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def describe() -> Any:  # noqa: ANN401
    """The probe's own eye, loaded as a probe is."""
    names = {"_perf_harness_ending": str(ROOT / "harness/probe/ending.py")}
    sys.modules["_perf_harness_ending"] = type(sys)("ending")
    try:
        return runpy.run_path(str(ROOT / "harness/probe/recording.py"), init_globals=names)["describe"]
    finally:
        del sys.modules["_perf_harness_ending"]


def made(describe: Any, n: int | None = None, **given: Any) -> tuple[dict[str, Any], list[str]]:  # noqa: ANN401
    """Values that the drafted expressions make, at size `n` or the one that was seen; and the notes."""
    call = RecordedCall(
        arguments={name: Described.model_validate(describe(value)) for name, value in given.items()},
        result=Described(kind="none"),
    )
    plan = plan_inputs([call], list(given))
    names = {"np": np, "n": plan.size if n is None else n, "rng": np.random.default_rng(1)}
    if plan.torch:
        import torch

        names["torch"] = torch
    return {name: eval(source, dict(names)) for name, source in plan.expressions.items()}, plan.notes  # noqa: S307


@pytest.mark.parametrize(
    "value",
    [
        [3, 1, 4, 1, 5, 9, 2, 6],
        [0.5] * 4 + [1.5] * 6,
        [[1, 2], [3], [4, 5, 6]] * 4,
        [("a", 1), ("b", 2)] * 5,
        {"name": "x", "sizes": [1.0] * 9, "flag": True, "none": None},
        {1: 2.0, 5: 3.0, 9: 4.0},
        "some words, again and again, until they are more than a few letters of text" * 2,
        ["red apple"] * 12,
        b"0123456789",
        (1, "two", [3.0]),
        [],
        (),
        {},
        np.zeros((4, 9), dtype=np.float32),
        np.arange(12),
        np.array([True, False] * 8),
        np.array([1 + 2j, 3 - 1j]),
        [np.float32(0.25)] * 9,
        {"deep": [{"deeper": [[1, 2.5]]}] * 9},
    ],
    ids=repr,
)
def test_what_is_made_is_of_the_kind_that_was_seen(describe: Any, value: Any) -> None:  # noqa: ANN401
    (found,) = made(describe, value=value)[0].values()
    assert type(found) is type(value)
    if isinstance(value, np.ndarray):
        assert (found.dtype, found.shape) == (value.dtype, value.shape)
    elif isinstance(value, (list, tuple, str, bytes)):
        assert len(found) == len(value)
        assert not isinstance(value, (list, tuple)) or {type(each) for each in found} == {type(each) for each in value}


def test_lengths_that_belong_together_change_together(describe: Any) -> None:  # noqa: ANN401
    points, weights, start = np.zeros((500, 3)), [1.0] * 500, np.arange(501)
    index = np.random.default_rng(0).integers(0, 500, 40)
    index[0] = 499
    found, notes = made(describe, 70, points=points, weights=weights, start=start, index=index, count=500, k=3)
    assert found["points"].shape == (70, 3) and len(found["weights"]) == 70 and len(found["start"]) == 71
    assert found["count"] == 70 and found["k"] == 3
    assert found["index"].shape == (40,) and found["index"].max() < 70
    assert any("`count`" in each for each in notes) and any("positions" in each for each in notes)


def test_tensors_keep_type_and_shape(describe: Any) -> None:  # noqa: ANN401
    import torch

    for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.bool):
        value = torch.ones(20, 4).to(dtype)
        (found,) = made(describe, value=value)[0].values()
        assert type(found) is torch.Tensor and found.dtype == dtype and found.shape == value.shape


def test_order_and_permutations_are_kept(describe: Any) -> None:  # noqa: ANN401
    found, _ = made(describe, 30, ascending=[1, 4, 4, 9] * 1 + [10] * 8, order=np.random.default_rng(3).permutation(12))
    assert found["ascending"] == sorted(found["ascending"]) and len(found["ascending"]) == 30
    assert sorted(found["order"].tolist()) == list(range(30))


def test_a_lone_number_is_the_size_and_constants_are_told_of(describe: Any) -> None:  # noqa: ANN401
    found, notes = made(describe, 800, limit=1000)
    assert 700 <= found["limit"] <= 800 and "no" in notes[0]
    assert any("constant" in each for each in made(describe, flag=True)[1])


def test_what_was_told_cannot_become_code() -> None:
    hostile = '"); __import__("os").system("true") #'
    for field in ("module", "name", "dtype"):
        with pytest.raises(ValidationError):
            Described.model_validate({"kind": "callable", field: hostile})
    text = Described(kind="str", text=hostile * 3, length=len(hostile) * 3)
    record = Described(kind="dict", length=1, entries=[(Described(kind="str", text=hostile, length=5), text)])
    call = RecordedCall(arguments={"x": record}, result=Described(kind="none"))
    (source,) = plan_inputs([call], ["x"]).expressions.values()
    called = {ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)}
    assert called <= {"''.join", "rng.choice", "list", "str"}
