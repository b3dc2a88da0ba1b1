"""Real clusters of several nodes on this machine, with Ray's own utility, and nothing of them left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nodes import Nodes, end_what_is_left


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A cluster whose head takes no work, and two nodes with a CPU and a GPU (as a count) each."""
    with pytest.MonkeyPatch.context() as patch:
        made = make_nodes(tmp_path_factory, patch)
        try:
            for name in ("left", "right"):
                made.add(name, num_cpus=1, num_gpus=1)
            yield made
        finally:
            made.shut_down()


@pytest.fixture
def bare_nodes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """A cluster of this test's own, with a head that takes no work."""
    made = make_nodes(tmp_path_factory, monkeypatch)
    try:
        yield made
    finally:
        made.shut_down()


def make_nodes(factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Nodes:
    # Ray's sockets have long names, and paths of sockets must be short.
    ray_folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    scratch = factory.mktemp("nodes")
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(ray_folder),
        "TMPDIR": str(scratch),
        "PERF_HARNESS_GATE": str(factory.mktemp("gate")),
        "HOME": str(factory.mktemp("home")),
        "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
    }
    for name, value in settings.items():
        patch.setenv(name, value)
    patch.delenv("OPENAI_API_KEY", raising=False)
    patch.setattr(tempfile, "tempdir", None)
    return Nodes.start(ray_folder, scratch)


@pytest.fixture(scope="session", autouse=True)
def leave_nothing() -> Iterator[None]:
    yield
    left = end_what_is_left()
    assert left == [], "processes of a test's cluster outlived it"
