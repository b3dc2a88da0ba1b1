"""Comparing an output with what was expected, and the sealed reference it is compared with."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from harness.errors import TaskError
from harness.timing.difference import difference
from harness.timing.reference import digest, load_reference


@pytest.mark.parametrize(
    "value",
    [1, True, None, "a", b"a", 0.1, math.nan, math.inf, [1, (2.0, {"a": [3]})], np.arange(4.0), np.float32(2),
     torch.arange(3), torch.ones(2, dtype=torch.bfloat16), np.array([math.nan, 1]), np.array("1", dtype=np.int8), []],
    ids=repr,
)  # fmt: skip
def test_equal_is_no_difference(value: Any) -> None:  # noqa: ANN401
    assert difference(value, value) is None


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        (1, 2, "output: expected 1, found 2"),
        (1, True, "expected 1, found bool"),
        (1.0, 1, "expected 1.0, found int"),
        (0.0, 1e-300, "expected 0.0"),
        (1.0, 1.0 + 1e-8, "expected 1.0"),
        (math.nan, 1.0, "expected nan"),
        ([1, 2], (1, 2), "expected a list of 2, found tuple of 2"),
        ([1, 2], [1], "found list of 1"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "output['a'][1]: expected 2, found 3"),
        ({"a": 1}, {"b": 1}, "a dict with keys ['a']"),
        (np.arange(3.0), np.array([0, 1, 2.5]), "output[2]: expected 2.0, found 2.5; 1 of 3"),
        (np.arange(3.0), [0.0, 1.0, 2.0], "expected ndarray float64 of shape [3], found list of 3"),
        (np.arange(3), np.arange(3.0), "expected int64 of shape [3], found float64"),
        (np.zeros((2, 2)), np.zeros(4), "found float64 of shape [4]"),
        (np.float64(1), 1.0, "expected float64 float64 of shape [], found float"),
        (torch.ones(2), np.ones(2, np.float32), "found ndarray"),
        (torch.tensor([1, 2]), torch.tensor([1, 3]), "output[1]: expected 2, found 3"),
        (np.array([1.0, math.nan]), np.array([1.0, 0.0]), "output[1]: expected nan"),
        (np.array([1.0, 2.0]), np.array([math.inf, 2.0]), "found inf"),
    ],
)
def test_a_difference_names_the_element(expected: Any, found: Any, said: str) -> None:  # noqa: ANN401
    assert said in str(difference(expected, found))


def test_tolerances_are_those_of_the_type() -> None:
    wide = np.ones(4, np.float32)
    assert difference(wide, wide + np.float32(5e-6)) is None
    assert difference(wide, wide + np.float32(5e-4)) is not None
    assert difference(wide.astype(float), wide.astype(float) + 5e-6) is not None
    assert difference(torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16) * 1.01) is None
    assert difference([1.0], [1.001], tolerances={"float": 1e-2}) is None


def test_a_reference_is_loaded_from_where_it_lies_and_only_as_sealed(tmp_path: Path) -> None:
    package = tmp_path / "reference" / "yaml"  # as something that the harness itself uses is called
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from yaml.deep import answer\n")
    (package / "deep.py").write_text("answer = 42\n")
    sealed = digest(package.parent)
    assert load_reference(package.parent, "yaml", sealed).answer == 42
    assert yaml.safe_load("1") == 1  # ours is still ours
    (package / "deep.py").write_text("answer = 43\n")
    with pytest.raises(TaskError, match="not as it was sealed"):
        load_reference(package.parent, "yaml.deep", sealed)
    with pytest.raises(TaskError, match="cannot be imported"):
        load_reference(package.parent, "nothing_of_this_name", digest(package.parent))
