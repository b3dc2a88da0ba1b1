"""`harness init` on small real repositories: what it writes, what it refuses, and that the base satisfies it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from command_line import harness

from harness.admission import NOISE_PROTOCOL, job_for
from harness.task_file import load_task
from harness.timing.client import check_outputs
from harness.timing.measurement import WrongOutput

ROOT = Path(__file__).resolve().parents[3]

MODULE = '''\
"""Things a shop wants to know."""

import functools
import random

import numpy as np

from shop.names import clean


def pairs(baskets, least=2):
    """Count which articles are bought together."""
    found = {}
    for basket in baskets:
        articles = sorted(set(basket))
        for i in range(len(articles)):
            for j in range(i + 1, len(articles)):
                key = (articles[i], articles[j])
                found[key] = found.get(key, 0) + 1
    return {key: count for key, count in found.items() if count >= least}


def take(values, positions, scale):
    """values[positions] * scale, of which there is at least one."""
    if len(values) == 0:
        raise ValueError("no values")
    return values[positions] * scale


def sort_in_place(values):
    for i in range(len(values)):
        for j in range(len(values) - 1 - i):
            if values[j] > values[j + 1]:
                values[j], values[j + 1] = values[j + 1], values[j]


def labels(names: list[str]) -> list[str]:
    return [clean(name) for name in names]


def running(values):
    total = 0
    for value in values:
        total += value
        yield total


async def later(values):
    return sum(values)


@functools.cache
def primes(limit, /, *, first=2):
    return [n for n in range(first, limit) if all(n % d for d in range(2, n))]


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def apply(function, values):
    return [function(value) for value in values]


def shuffled(values):
    return random.sample(values, len(values))


def count(shop):
    return len(shop.baskets)


def as_set(values):
    return set(values)


def log(values):
    print(len(values))


def mystery(thing):
    return thing


number = 3
alias = len


class Shop:
    baskets = ()

    def open(self):
        return 1
'''

TESTS = """\
import numpy as np
import pytest

from shop.baskets import pairs, take


def test_pairs():
    assert pairs([[1, 2, 3], [1, 2], [3]]) == {(1, 2): 2}


def test_take():
    with pytest.raises(ValueError):
        take(np.zeros(0), np.zeros(0, dtype=int), 1.0)
    assert take(np.array([1.0, 2.0]), np.array([1]), 2.0).tolist() == [4.0]
"""

JOB = """\
import random

import numpy as np

from shop.baskets import pairs, take

rng = random.Random(1)
pairs([[rng.randrange(50) for _ in range(rng.randint(2, 6))] for _ in range(200)])
g = np.random.default_rng(1)
take(g.normal(size=400), g.permutation(400), 0.5)
"""


def git(repository: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    subprocess.run(["git", *identity, *arguments], cwd=repository, check=True, capture_output=True)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository with a `src` layout, a test suite and a script, committed."""
    folder = tmp_path / "shop"
    for name, text in {
        "src/shop/__init__.py": "from shop.baskets import pairs\n",
        "src/shop/baskets.py": MODULE,
        "src/shop/names.py": "def clean(name):\n    return ' '.join(part.capitalize() for part in name.split())\n",
        "tests/test_baskets.py": TESTS,
        "job.py": JOB,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


def init(shop: Path, function: str, *arguments: str) -> dict[str, object]:
    ended = harness(shop.parent, "init", "shop", "--function", f"shop.baskets:{function}", "--json", *arguments)
    assert ended.returncode == 0, ended.stderr
    drafted: dict[str, object] = json.loads(ended.stdout)
    return drafted


def bench(shop: Path, name: str) -> str:
    return (shop.parent / "tasks" / name / "bench.py").read_text()


def test_a_traced_call_becomes_a_task_that_the_base_satisfies(shop: Path) -> None:
    drafted = init(shop, "pairs", "--trace", "python job.py")
    assert drafted["problem"] is None and drafted["calls"] == 1
    task = load_task(str(shop.parent / "tasks" / "pairs.yaml")).task
    assert task.source.git == "../shop" and task.target_files == ["src/shop/baskets.py"] and task.api == "shop.baskets"
    assert task.tests.public == ["PYTHONPATH=src python -m pytest -q tests"]
    assert task.draft == drafted["draft"] and any("target_files" in each for each in task.draft)
    # The oracle belongs to the bench, wherever that goes: into a bundle, to a node.
    rests_on = load_task(str(shop.parent / "tasks" / "pairs.yaml")).bench_files
    assert [path.name for path in rests_on] == ["bench.py", "reference"]
    assert drafted["workloads"] == ["n50", "n120", "n200", "n300", "n400"]
    assert drafted["tests"] == 4  # two of its own, and two calls: the one that was traced, the one that its test made
    # Nothing was written to the repository, and nothing is left of the work.
    assert not list((shop.parent / "worktrees").iterdir())
    status = subprocess.run(["git", "status", "--porcelain"], cwd=shop, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    again = harness(shop.parent, "init", "shop", "--function", "shop.baskets:pairs")
    assert again.returncode == 2 and "tasks/pairs.yaml is there already" in again.stderr and "--force" in again.stderr


@pytest.mark.slow
def test_numpy_inputs_keep_what_belongs_together_and_the_oracle_sees_every_element(shop: Path, tmp_path: Path) -> None:
    drafted = init(shop, "take", "--trace", "python job.py")
    assert drafted["problem"] is None
    text = bench(shop, "take")
    assert "size=n)" in text and 'rng.permutation(n).astype("int64")' in text and '"scale": 0.5' in text
    assert "n = int(400 ** rng.random())\n" in text  # sizes below 1 fail on the base
    loaded = load_task(str(shop.parent / "tasks" / "take.yaml"))
    wrong = tmp_path / "wrong"
    subprocess.run(["cp", "-r", str(shop), str(wrong)], check=True)
    source = wrong / "src" / "shop" / "baskets.py"
    source.write_text(
        source.read_text().replace("* scale", "* scale + (values[positions] == values[positions].max()) * 1e-3")
    )

    def checked(tree: Path) -> object:
        job = job_for(
            loaded, shop, tree, tmp_path / "scratch", device="cpu", seed=3, held_out=True, protocol=NOISE_PROTOCOL
        )
        return check_outputs(job, random_cases=5)

    assert checked(shop) is None
    found = checked(wrong)
    assert isinstance(found, WrongOutput) and "output[" in found.detail
    # The oracle is sealed.
    reference = shop.parent / "tasks" / "take" / "reference" / "shop" / "baskets.py"
    reference.write_text(reference.read_text() + "\n")
    assert "not as it was sealed" in str(checked(shop))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "call", "written"),
    [
        ("sort_in_place", "sort_in_place([3, 1, 2] * 10)", 'return [result, inputs["values"]]'),
        ("labels", "labels(['red apple', 'green pear'] * 20)", "rng.choice(['red apple', 'green pear'])"),
        ("running", "running(list(range(5, 40)))", 'return list(target.running(inputs["values"]))'),
        ("later", "later([1.5] * 9 + [2.5])", 'return asyncio.run(target.later(inputs["values"]))'),
        ("fib", "fib(16)", "int(rng.integers(n - n // 8, n, endpoint=True))"),
        ("primes", "primes(100)", "int(rng.integers(n - n // 8, n, endpoint=True))"),
        ("apply", "apply(math.sqrt, [1.0, 4.0] * 8)", 'return target.apply(math.sqrt, inputs["values"])'),
    ],
)
def test_functions_of_all_kinds(shop: Path, function: str, call: str, written: str) -> None:
    drafted = init(shop, function, "--call", call)
    assert drafted["problem"] is None, drafted
    assert written in bench(shop, function)


@pytest.mark.slow
def test_without_a_trace_tests_or_annotations_show_it(shop: Path) -> None:
    assert init(shop, "pairs")["seen_in"] == "its tests (tests/test_baskets.py)"
    drafted = init(shop, "labels")
    assert (drafted["seen_in"], drafted["problem"]) == ("its annotations alone", None)
    assert any("made up" in str(each) for each in drafted["draft"])  # type: ignore[attr-defined]


@pytest.mark.slow
def test_what_does_not_give_the_same_again_is_found_out(shop: Path) -> None:
    drafted = init(shop, "shuffled", "--call", "shuffled(list(range(50)))")
    assert "expected" in str(drafted["problem"])
    assert any("deterministic" in str(each) for each in drafted["draft"])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop", "--function", "shop.baskets"], "Write it as pkg.mod:fn"),
        (["shop", "--function", "shop.basket:pairs"], "Nearest: shop.baskets"),
        (["shop", "--function", "shop.baskets:pair"], "Nearest: pairs"),
        (["shop", "--function", "shop.baskets:Shop.open"], "is a method"),
        (["shop", "--function", "shop.baskets:Shop"], "is a class"),
        (["shop", "--function", "shop.baskets:alias"], "is assigned"),
        (["shop", "--function", "shop.baskets:mystery"], "it has no annotation"),
        (["nowhere", "--function", "a:b"], "There is no folder nowhere"),
        (["shop", "--function", "shop.baskets:pairs", "-o", "Pairs.txt"], "a task file is NAME.yaml"),
        (["shop", "--function", "shop.baskets:pairs", "--call", "pairs("], "not an expression"),
        (["shop", "--function", "shop.baskets:pairs", "--call", "pairs([[1, 2]], 1 / 0)"], "ZeroDivisionError"),
        (["shop", "--function", "shop.baskets:pairs", "--trace", "python nope.py"], "can't open file"),
        (["shop", "--function", "shop.baskets:pairs", "--trace", "true"], "was not called to its end"),
        (["shop", "--function", "shop.baskets:take", "--call", "take(np.zeros(0), 0, 1)"], "ValueError: no values"),
        (["shop", "--function", "shop.baskets:count", "--call", "count(Shop())"], "was a shop.baskets.Shop"),
        (["shop", "--function", "shop.baskets:as_set", "--call", "as_set([1])"], "gives back a builtins.set"),
        (["shop", "--function", "shop.baskets:log", "--call", "log([1])"], "there is nothing to compare"),
        (
            ["shop", "--function", "shop.baskets:apply", "--call", "apply(lambda x: x, [1])"],
            "`function` of apply was a",
        ),
    ],
)
def test_refusals_say_what_and_the_way_out(shop: Path, arguments: list[str], said: str) -> None:
    ended = harness(shop.parent, "init", *arguments)
    assert ended.returncode == 2 and said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) >= 2  # the way out stands beside it
    assert not list((shop.parent / "tasks").glob("*"))


def test_a_task_must_not_become_part_of_its_own_target(shop: Path) -> None:
    (shop / "job.py").write_text("changed")
    ended = harness(shop, "init", ".", "--function", "shop.baskets:pairs")
    assert ended.returncode == 2 and "would be part of its own target" in ended.stderr
    (shop / "src" / "shop" / "fresh.py").write_text("def f(x):\n    return x\n")
    git(shop, "checkout", "job.py")
    ended = harness(shop, "init", ".", "--function", "shop.fresh:f")
    assert ended.returncode == 2 and "not in commit" in ended.stderr and "Commit it." in ended.stderr


@pytest.mark.slow
def test_check_asks_for_the_guesses_and_admits_once_they_are_confirmed(shop: Path) -> None:
    init(shop, "pairs", "--trace", "python job.py")
    ended = harness(shop.parent, "run", "tasks/pairs.yaml", "--agent", "nop", "--json")
    assert ended.returncode == 0, ended.stderr
    last = json.loads(ended.stdout.splitlines()[-1])
    assert [verdict["status"] for verdict in last["attempts"]] == ["no_patch"]

    ended = harness(shop.parent, "check", "tasks/pairs.yaml", "--json")
    findings = {each["check"]: each for each in json.loads(ended.stdout)["findings"]}
    assert ended.returncode == 2
    assert findings.pop("draft")["passed"] is False and "target_files" in ended.stdout
    assert not [name for name, each in findings.items() if each["passed"] is False], ended.stdout
    file = shop.parent / "tasks" / "pairs.yaml"
    file.write_text(file.read_text().partition("draft:")[0])
    assert "draft" not in load_task(str(file)).task.model_dump(exclude_defaults=True)
