"""What travels is what is needed, and what comes home is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from reference_figures import write_references
from tiny_task import TinyTask

from agent.budget import LimitExceeded, Limits
from harness.cluster.describe import described_elsewhere
from harness.cluster.identity import require_same
from harness.cluster.messages import Begin, Message, Refused, Spending, Told, Used, decode, encode
from harness.cluster.nodes import device_begun_on, read_nodes, write_nodes
from harness.cluster.parcel import (
    ARRIVING,
    bring_home,
    clear_arrivals,
    pack_attempt,
    pack_task,
    unpack_attempt,
    unpack_task,
)
from harness.cluster.shop import NodeBudget
from harness.errors import UsageError
from harness.plan import Admission
from harness.run_budget import RunBudget, RunLimits, Spent
from harness.source import seal
from harness.store import RunFolder
from harness.task_file import load_task
from harness.timing.machine import describe_device
from harness.verdict import Device, Interval, NoiseFloor


def fill(run: RunFolder, name: str, **files: str) -> None:
    folder = run.attempt(name).create()
    for file, text in files.items():
        path = folder.path / file.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def content(run: RunFolder, name: str) -> dict[str, str]:
    folder = run.attempt(name).path
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_task_arrives_with_all_it_names_and_nothing_of_its_source(tiny: TinyTask, tmp_path: Path) -> None:
    hidden = tmp_path / "elsewhere" / "hidden"
    hidden.parent.mkdir()
    (tiny.folder / "hidden_tests").rename(hidden)
    tiny.edit_task("hidden: hidden_tests", f"hidden: {hidden}")  # an absolute path, which a node does not have
    (tiny.folder / "table.csv").write_text("1,2\n")
    (tiny.folder / "reference" / "tiny").mkdir(parents=True)  # as `harness init` seals the base's own code
    (tiny.folder / "reference" / "tiny" / "was.py").write_text("x = 1\n")
    with (tiny.folder / "bench.py").open("a") as bench:
        bench.write('REFERENCE = __file__[:-8] + "reference"\n')
    figures = write_references(tmp_path / "elsewhere" / "figures.json")
    tiny.edit_task("api: tiny", f"api: tiny\nreferences: {figures}")
    loaded = load_task(str(tiny.file))
    sealed = seal(loaded, tmp_path / "sealed.git")
    there = unpack_task(pack_task(loaded, sealed), tmp_path / "node")

    assert there.loaded.references is None and not list((tmp_path / "node").rglob("figures.json"))
    assert there.loaded.bench_file is not None
    assert there.loaded.bench_file.read_text() == (tiny.folder / "bench.py").read_text()
    assert (there.loaded.bench_file.parent / "table.csv").read_text() == "1,2\n"
    assert (there.loaded.bench_file.parent / "reference" / "tiny" / "was.py").read_text() == "x = 1\n"
    assert there.loaded.hidden_tests is not None
    assert [path.name for path in there.loaded.hidden_tests.iterdir()] == ["test_hidden.py"]
    for path in (there.loaded.file, there.loaded.bench_file, there.loaded.hidden_tests):
        assert path.is_relative_to(tmp_path / "node")
    assert not list((tmp_path / "node" / "files").rglob("core.py"))
    # The base is the same commit, and everything git needs is there.
    assert (there.sealed.commit, there.sealed.tree) == (sealed.commit, sealed.tree)
    there.sealed.check_out(tmp_path / "checkout")
    assert (tmp_path / "checkout" / "tiny" / "core.py").read_text() == tiny.core.read_text()


def test_an_attempt_travels_with_its_parents_patch_and_without_earlier_tries(tmp_path: Path) -> None:
    home, node = RunFolder(tmp_path / "home"), RunFolder(tmp_path / "node")
    node.path.mkdir()
    fill(home, "001", **{"model_patch.diff": "a patch", "verdict.json": "its own"})
    fill(home, "002", **{"brief.json": "{}", "try-1__trajectory.jsonl": "of before"})
    unpack_attempt(pack_attempt(home, "002", parents=["001"]), node)
    assert content(node, "002") == {"brief.json": "{}"}
    assert content(node, "001") == {"model_patch.diff": "a patch"}


def test_a_folder_that_comes_home_replaces_the_old_one_and_keeps_earlier_tries(tmp_path: Path) -> None:
    home, node = RunFolder(tmp_path / "home"), RunFolder(tmp_path / "node")
    fill(home, "001", **{"prompt.md": "old", "build.log": "old", "try-1__prompt.md": "first"})
    fill(node, "001", **{"prompt.md": "new", "samples.json": "[]"})
    bring_home(pack_attempt(node, "001"), home, "001")
    assert content(home, "001") == {"prompt.md": "new", "samples.json": "[]", "try-1/prompt.md": "first"}
    assert [attempt.name for attempt in home.attempts] == ["001"]
    assert not (home.path / ARRIVING).exists()


def test_half_a_folder_never_arrives(tmp_path: Path) -> None:
    home, node = RunFolder(tmp_path / "home"), RunFolder(tmp_path / "node")
    fill(home, "001", **{"prompt.md": "old"})
    fill(node, "001", **{"samples.json": "x" * 100_000, "prompt.md": "new"})
    packed = pack_attempt(node, "001")
    with pytest.raises((EOFError, OSError)):
        bring_home(packed[: len(packed) // 2], home, "001")
    assert content(home, "001") == {"prompt.md": "old"}
    assert [attempt.name for attempt in home.attempts] == ["001"]
    clear_arrivals(home)
    assert [path.name for path in home.path.iterdir()] == ["001"]


def test_a_crash_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    home = RunFolder(tmp_path / "home")
    fill(home, "001", **{"prompt.md": "old"})
    (home.path / ARRIVING).mkdir()
    home.attempt("001").path.rename(home.path / ARRIVING / "001.old")
    clear_arrivals(home)
    assert content(home, "001") == {"prompt.md": "old"}


@pytest.mark.parametrize(
    "message",
    [
        Told(event={"text": "a lone surrogate \udc80, an infinity", "value": float("inf")}),
        Begin(job={"slot": {"name": "001"}}, files=b"\x00\xff"),
        Refused(error="TaskError", message="no"),
    ],
)
def test_messages_arrive_as_they_were_sent(message: Message) -> None:
    assert decode(encode(message)) == message


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(ValueError, match=r"union_tag_invalid|tag"):
        decode(b"\x81\xa4kind\xa4evil")
    with pytest.raises(ValueError, match="Field required"):
        decode(b"\x81\xa4kind\xa8finished")


def test_another_version_and_other_code_are_told_apart() -> None:
    require_same("a", "1.0", "abc", mine=("1.0", "abc"))
    with pytest.raises(UsageError, match=r"Node a has version 0\.9 of the harness, and this is 1\.0"):
        require_same("a", "0.9", "abc", mine=("1.0", "abc"))
    with pytest.raises(UsageError, match=r"other code of the harness than this one, both called 1\.0"):
        require_same("a", "1.0", "abd", mine=("1.0", "abc"))


def test_what_nodes_were_found_to_be_is_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert read_nodes(run) == {}
    assert device_begun_on(run) is None
    machine = Device(kind="cuda", name="H100", cores=1, memory_gb=1, platform="x", versions={}, node="n0")
    one = Interval(estimate=1, low=0.99, high=1.01)
    admission = Admission(device="cuda", expected=["t"], noise=NoiseFloor(speedup=one, sessions=8), machine=machine)
    write_nodes(run, {"key": admission})
    assert read_nodes(run) == {"key": admission}
    assert device_begun_on(run) == "H100"
    run.nodes.write_text('{"key": ')
    assert read_nodes(run) == {}


def test_a_node_holds_the_runs_limits_with_what_others_use_up() -> None:
    said: list[Message] = []
    budget = NodeBudget(RunLimits(tokens=1000), said.append)
    limits = budget.within(Limits(steps=9, seconds=60, usd=None, tokens=5000), "001")
    assert limits.tokens == 1000
    assert limits.share is not None
    limits.share.report(None, 300)
    assert said == [Used(attempt="001", usd=None, tokens=300)]
    budget.check()
    budget.update(Spending(usd=0.0, tokens=600, seconds=5.0))
    budget.check()
    budget.update(Spending(usd=0.0, tokens=700, seconds=6.0))
    with pytest.raises(LimitExceeded):
        budget.check()
    # What is over here is from now on among what the run's own process says.
    budget.forget("001")
    budget.check()


def test_what_others_have_used_up_leaves_out_what_a_place_knows_itself() -> None:
    budget = RunBudget(RunLimits(), Spent(usd=1.0, tokens=10), clock=lambda: 0.0)
    budget.report("001", 0.25, 100)
    budget.report("002", 0.5, 1000)
    assert budget.spent_beside(["002"]) == Spent(usd=1.25, tokens=110)
    assert budget.reported("002") == Spent(usd=0.5, tokens=1000)
    assert budget.reported("003") == Spent()


def test_a_device_is_described_by_a_process_that_ends() -> None:
    assert described_elsewhere("cpu") == describe_device("cpu")
