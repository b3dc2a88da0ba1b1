"""`harness hotspots` on a program whose time is split as one knows, run by real processes in the real sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import harness

from harness.profiling.hotspots import amdahl
from harness.profiling.places import Places, dotted_module
from harness.profiling.shares import ProcessSamples, spend

ROOT = Path(__file__).resolve().parents[3]

PARTS = """\
import functools
import math


def seventy(n):
    return sum(math.sqrt(i) for i in range(7 * n))


def twenty(n):
    return sum(math.sqrt(i) for i in range(2 * n))


@functools.cache
def ten(n):
    return sum(map(math.sqrt, range(n)))


class Work:
    def all_of_it(self, n):
        return seventy(n) + twenty(n) + ten(n + id(self))


def in_a_pool(n):
    return Work().all_of_it(n)
"""


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """A repository that spends seven tenths of its time in one function and two in another."""
    folder = tmp_path / "split"
    (folder / "src" / "work").mkdir(parents=True)
    (folder / "src" / "work" / "__init__.py").touch()
    (folder / "src" / "work" / "parts.py").write_text(PARTS.replace("n + id(self)", "n"))
    (folder / "run.py").write_text(
        "import sys\nfrom work.parts import Work\nopen('left', 'w').close()\n"
        "Work().all_of_it(int(sys.argv[1]))\nprint('done')\n"
    )
    (folder / "pool.py").write_text(
        "import multiprocessing, sys\nfrom work.parts import in_a_pool\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method(sys.argv[1])\n"
        "    with multiprocessing.Pool(2) as pool:\n        pool.map(in_a_pool, [100_000] * 6)\n"
    )
    return folder


def hotspots(cwd: Path, *command: str) -> dict[str, list[dict[str, object]]]:
    ended = harness(cwd, "hotspots", "split", "--json", "--repeat", "2", "--seconds", "60", "--", *command)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, list[dict[str, object]]] = json.loads(ended.stdout)
    return found


def test_functions_are_ranked_by_their_own_time_and_nothing_is_left_behind(split: Path) -> None:
    before = sorted(split.rglob("*"))
    found = hotspots(split.parent, "python", "run.py", "200000")
    ranked = [each["function"] for each in found["hotspots"] if each["own"]["estimate"] > 0.02]  # type: ignore[index]
    assert ranked == ["seventy", "twenty", "ten"]
    first, method = found["hotspots"][0], next(e for e in found["hotspots"] if e["function"] == "Work.all_of_it")
    assert (first["module"], first["file"], first["line"], first["calls"]) == ("work.parts", "src/work/parts.py", 5, 1)
    assert method["kind"] == "method" and method["whole"]["estimate"] > first["own"]["estimate"]  # type: ignore[index]
    gain, share = first["twice"]["estimate"], first["own"]["estimate"]  # type: ignore[index]
    assert gain == pytest.approx(1 / (1 - share / 2))
    assert found["init"] == "harness init split --function work.parts:seventy --trace 'python run.py 200000'"
    assert sorted(split.rglob("*")) == before and list((split.parent / "worktrees").iterdir()) == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_a_pool_count_and_their_waiting_parent_does_not(split: Path, method: str) -> None:
    found = hotspots(split.parent, "python", "pool.py", method)
    by_name = {each["function"]: each for each in found["hotspots"]}
    assert by_name["seventy"]["calls"] == 6
    assert found["hotspots"][0]["function"] == "seventy"
    assert sum(each["own"]["estimate"] for each in found["hotspots"]) <= 1.001  # type: ignore[index, misc]


def test_a_test_run_in_a_shell_line_is_seen(split: Path) -> None:
    (split / "test_work.py").write_text(
        "from work.parts import seventy\n\ndef test_it():\n    assert seventy(200000)\n"
    )
    found = hotspots(split.parent, "cd . && python -m pytest -q test_work.py")
    assert found["hotspots"][0]["function"] == "seventy"


def test_a_failing_command_is_told_with_its_exit_code_and_last_lines(split: Path) -> None:
    ended = harness(split.parent, "hotspots", "split", "--", "python", "run.py", "many")
    assert ended.returncode == 2
    assert "`python run.py many` ended with exit code 1" in ended.stderr
    assert "invalid literal for int() with base 10: 'many'" in ended.stderr


def test_a_command_without_a_function_of_the_repository_says_so(split: Path) -> None:
    ended = harness(split.parent, "hotspots", "split", "--repeat", "2", "--", "true")
    assert ended.returncode == 2 and "spent no time that could be seen" in ended.stderr
    assert harness(split.parent, "hotspots", "nowhere", "--", "true").returncode == 2


def test_the_table_goes_on_to_init(split: Path) -> None:
    ended = harness(
        split.parent, "hotspots", "split", "--repeat", "2", "--top", "1", "--", "python", "run.py", "100000"
    )
    assert ended.returncode == 0
    assert "src/work/parts.py:5" in ended.stdout and "more with smaller shares" in ended.stdout
    assert "harness init split --function work.parts:seventy" in ended.stdout


def test_amdahl() -> None:
    assert amdahl(0.7, 2) == pytest.approx(1 / 0.65)
    assert amdahl(0.75, float("inf")) == pytest.approx(4)
    assert amdahl(1.0, float("inf")) == float("inf")


def process(pid: int, parent: int | None, samples: list[tuple[int, float, int]], start: float = 0.1) -> ProcessSamples:
    """A process of one function, whose probe took a tenth of a second."""
    end = start + sum(seconds for _, seconds, _ in samples)
    return ProcessSamples(
        pid=pid, parent=parent, began=start - 0.1, start=start, end=end, told=end,
        frames=[(f"f{pid}", "a.py", 1)], stacks=[[], [0]], samples=samples,
    )  # fmt: skip


def test_an_instant_goes_to_those_who_run_and_adds_up(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()

    def by_pid(*processes: ProcessSamples) -> dict[str, float]:
        places = Places(tmp_path)
        spent = spend(list(processes), lambda frame: places.of((frame[0], f"{frame[0]}.py", 1)))
        return {place.file: round(seconds, 6) for place, seconds in spent.own.items()} | {
            "probe": round(spent.probe, 6)
        }

    assert by_pid(process(1, None, [(1, 2.0, 0)])) == {"f1.py": 2.0, "probe": 0.1}
    # The parent works for a second, then waits for two children that share what is left of the wall's time.
    parent = process(1, None, [(1, 1.0, 0), (1, 4.0, 1)])
    children = [process(pid, 1, [(1, 2.0, 0)], start=1.2) for pid in (2, 3)]
    assert by_pid(parent, *children) == {"f1.py": 2.9, "f2.py": 1.0, "f3.py": 1.0, "probe": 0.2}
    # All wait: the time is the child's.
    assert by_pid(process(1, None, [(1, 1.0, 1)]), process(2, 1, [(1, 1.0, 1)])) == {"f2.py": 1.0, "probe": 0.1}


def test_places_are_read_from_the_source(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "m.py").write_text(PARTS)
    places = Places(tmp_path)
    lines = [number for number, line in enumerate(PARTS.splitlines(), 1) if "return" in line]
    assert [places.of(("x", "pkg/m.py", line)).name for line in (1, *lines[:1], lines[2] - 2, lines[3])] == [
        "(module level)", "seventy", "ten", "Work.all_of_it",
    ]  # fmt: skip
    assert places.of(("x", "../../etc/passwd", 1)).kind == "module"
    assert dotted_module(tmp_path, "pkg/m.py") == "pkg.m" and dotted_module(tmp_path, "pkg/__init__.py") == "pkg"
    assert dotted_module(tmp_path, "src/pkg/m.py") == "pkg.m" and dotted_module(tmp_path, "my-script.py") is None
