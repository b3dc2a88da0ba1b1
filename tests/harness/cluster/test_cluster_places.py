"""What a place is: a GPU whole, one device in a run, the same harness, and no key where none is needed."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from nodes import Nodes, cli, wait_until
from openai_server import Server, function_call, responses
from test_cluster_losses import Background
from test_cluster_run import assert_one_verdict_each, assert_timed_one_at_a_time
from tiny_task import TinyTask

from harness.errors import AdmissionError, InfrastructureError, UsageError
from harness.events import Admitted, NodeJoined, NodeLeft
from harness.options import RunOptions
from harness.run import run_task

KEY = "sk-sentinel-5f1c9b2ad0e74f"
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_a_gpu_belongs_to_its_attempts_whole(nodes: Nodes, tiny: TinyTask, tmp_path: Path) -> None:
    import ray

    # Placebos are judged to the end: two at once in each place, each timed alone on its device.
    tiny.edit_task("min_effect: 0.2", "metric: {device: auto}\nmin_effect: 0.2")
    run = Background(nodes, tiny, tmp_path, attempts=1, placebos=3, jobs=4)
    wait_until(lambda: sum(isinstance(event, NodeJoined) for event in run.events) == 2, "two places", 90)
    # Nothing of a GPU is left for anybody else, not even a fraction; and there is no third place.
    assert ray.cluster_resources()["GPU"] == 2
    assert ray.available_resources().get("GPU", 0) == 0
    outcome = run.finish()
    assert Counter(each.status for each in outcome.verdicts) == {"no_patch": 1, "same": 3}
    assert_one_verdict_each(outcome.run_folder)
    assert_timed_one_at_a_time(list(run.events))
    for each in outcome.verdicts:
        assert each.device is not None
        assert each.device.node in ("left", "right")
    assert Counter(type(event) for event in run.events)[Admitted] == 2


@pytest.mark.slow
def test_a_node_with_another_harness_is_left_out_and_the_others_work(
    bare_nodes: Nodes, tiny: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare_nodes.add("same", num_cpus=1)
    other = tmp_path / "other"
    for package in ("agent", "harness", "prompts", "tasks"):
        shutil.copytree(REPOSITORY / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "harness" / "text.py").open("a").write("\n# another one\n")
    # Only what Ray starts from now on is told to look there.
    bare_nodes.add("other", num_cpus=1, env_vars={"PYTHONPATH": str(other)})
    outcome, events = bare_nodes.run(tiny, tmp_path, attempts=2, jobs=2)
    assert [each.status for each in outcome.verdicts] == ["no_patch", "no_patch"]
    left = {event.node: event.why for event in events if isinstance(event, NodeLeft)}
    assert list(left) == ["other"]
    assert "other code of the harness" in left["other"]
    assert "Install the same code there." in left["other"]


@pytest.mark.slow
def test_what_no_node_can_do_is_told_in_the_nodes_own_words(nodes: Nodes, tiny: TinyTask, tmp_path: Path) -> None:
    tiny.core.write_text("def total(values):\n    return 0\n")
    with pytest.raises(AdmissionError, match=r"On node (left|right): The base fails its own tests"):
        nodes.run(tiny, tmp_path, jobs=2)
    assert nodes.stations == []
    assert nodes.checkouts == []


@pytest.mark.slow
def test_the_key_is_in_no_file_argument_or_environment_of_the_cluster(
    nodes: Nodes, tiny: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An agent on a node really asks the model, with the key that came there, and is looked at while it works.
    steps = [("shell", {"command": "sleep 5"}), ("submit", {"summary": "nothing"})]
    replies = [responses(function_call(name, json.dumps(arguments))) for name, arguments in steps]
    server = Server(replies)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    folders = ("--out", str(tmp_path / "runs"), "--worktrees", str(tmp_path / "worktrees"))
    where = ("--executor", "ray", "--ray-address", nodes.address, "--sandbox", "none")
    model = ("-m", "m", "--base-url", server.url, "--price", "1,1,1", "--wire", "responses", "--json")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    process = cli("run", str(tiny.file), *model, *where, *folders)
    monkeypatch.delenv("OPENAI_API_KEY")
    try:
        wait_until(lambda: server.requests and nodes.stations and find("sleep 5"), "the agent's command", 120)
        seen = everything_said()
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        server.shutdown()
        server.server_close()
    assert b"no_patch" in said
    assert {request.authorization for request in server.requests} == {f"Bearer {KEY}"}
    assert any(b"harness.cluster.station" in content for content in seen.values())
    assert not [where for where, content in seen.items() if KEY.encode() in content]
    files = [path for folder in (nodes.ray_folder, nodes.scratch, tmp_path) for path in folder.rglob("*")]
    assert len([path for path in files if path.is_file()]) > 20
    assert not [path for path in files if path.is_file() and KEY.encode() in path.read_bytes()]


def find(words: str) -> bool:
    return any(words.encode() in content.replace(b"\0", b" ") for content in everything_said().values())


def everything_said() -> dict[str, bytes]:
    """Command lines and environments of everything on the cluster, this process left out."""
    found = {}
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        for what in ("cmdline", "environ"):
            try:
                found[f"{process.pid}/{what}"] = Path(f"/proc/{process.pid}/{what}").read_bytes()
            except OSError:
                continue
    return found


def on_a_cluster(tiny: TinyTask, tmp_path: Path, **options: Any) -> None:  # noqa: ANN401 - any option
    given = {"agent": "nop", "executor": "ray"} | options
    folders = {"out": tmp_path / "runs", "worktrees": tmp_path / "worktrees"}
    run_task(RunOptions(task=str(tiny.file), **folders, **given), lambda _: None)


def test_a_cluster_that_is_not_there_is_said_so(
    tiny: TinyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InfrastructureError, match=r"no Ray cluster at 127.0.0.1:9: .*refused.*\s.*--ray-address local"):
        on_a_cluster(tiny, tmp_path, ray_address="127.0.0.1:9")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")  # where Ray itself looks first
    with pytest.raises(InfrastructureError, match=r"no Ray cluster at auto: .*refused"):
        on_a_cluster(tiny, tmp_path)


@pytest.mark.parametrize("address", ["somewhere", "node:99999", ":6379", "node:²"])
def test_what_is_no_address_is_refused_before_anything_is_made(tiny: TinyTask, tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match=f"--ray-address {address}: not an address"):
        on_a_cluster(tiny, tmp_path, ray_address=address)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("option", "value"), [("keep_worktrees", True), ("agent", "manual")])
def test_what_a_cluster_cannot_do_is_refused_before_anything_is_made(
    tiny: TinyTask, tmp_path: Path, option: str, value: object
) -> None:
    with pytest.raises(UsageError, match="--executor ray"):
        on_a_cluster(tiny, tmp_path, **{option: value})
    assert not (tmp_path / "runs").exists()
