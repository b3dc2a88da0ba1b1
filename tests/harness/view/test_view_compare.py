"""The compare page over real HTTP: two attempts, two runs, and everything that is neither."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Served, served
from synthetic_runs import write_synthetic_run

from harness.compare import compare_attempts
from harness.compare_runs import compare_runs
from harness.report.material import RunMaterial, read_run
from harness.store import RunFolder
from harness.text import interval_text

ONE, TWO = "moe_align-20261120-090000", "moe_align-20261121-090000"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_synthetic_run(folder, 12, samples=12, seed=5, name=ONE)
    write_synthetic_run(folder, 10, samples=10, seed=9, name=TWO)
    return folder


@pytest.fixture(scope="module")
def site(out: Path) -> Iterator[Served]:
    with served(out) as server:
        yield server


def _run(out: Path, name: str) -> RunMaterial:
    return read_run(RunFolder(out / name))


def _best(out: Path, name: str) -> str:
    best = _run(out, name).best
    assert best is not None
    return best.name


def test_two_attempts_say_what_the_verb_says(out: Path, site: Served) -> None:
    names = _best(out, ONE), _best(out, TWO)
    expected = compare_attempts(
        *(RunFolder(out / run).attempt(name) for run, name in zip((ONE, TWO), names, strict=True))
    )
    assert expected.conclusion != "not_tested" and expected.workloads
    page = site.get(f"/compare?a={ONE}/{names[0]}&b={TWO}/{names[1]}")
    assert page.status == 200 and expected.sentence in page.text
    for each in expected.workloads:
        assert each.name in page.text and interval_text(each.ratio) in page.text
    assert f"/compare?a={TWO}%2F{names[1]}&amp;b={ONE}%2F{names[0]}" in page.text  # swapped
    assert page.text.count('<table class="diff">') == 2


def test_two_runs_say_what_the_verb_says(out: Path, site: Served) -> None:
    expected = compare_runs(RunFolder(out / ONE), RunFolder(out / TWO))
    page = site.get(f"/compare?a={ONE}&b={TWO}")
    assert page.status == 200 and expected.sentence in page.text
    assert "Rate of wins, B less A" in page.text and "The best attempt of each" in page.text


def test_ticked_boxes_lead_to_the_address_that_keeps_them(site: Served) -> None:
    page = site.get(f"/runs/{ONE}").text
    assert f'name="with" value="{ONE}/003"' in page
    answer = site.get(f"/compare?with={ONE}/003&with={ONE}/004")
    assert answer.status == 303
    assert answer.headers["location"] == f"/compare?a={ONE}%2F003&b={ONE}%2F004"
    assert site.get(f"/compare?with={ONE}").headers["location"] == f"/compare?a={ONE}"
    three = site.get("/compare?with=x&with=y&with=z")
    assert three.status == 404 and "3 were ticked" in three.text


def test_one_name_offers_likely_others_of_its_task(out: Path, site: Served) -> None:
    page = site.get(f"/compare?a={ONE}/001").text
    assert f"/compare?a={ONE}%2F001&amp;b={TWO}%2F{_best(out, TWO)}" in page
    assert f"/compare?a={ONE}%2F001&amp;b={ONE}%2F001" not in page
    assert f"/compare?a={ONE}&amp;b={TWO}" in site.get(f"/compare?a={ONE}").text


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ("a=nothing&b=nothing", 404, "There is no run nothing in"),
        (f"a={ONE}/999&b={ONE}/001", 404, "has no attempt 999"),
        (f"a={ONE}/../../x&b={ONE}/001", 404, "has no attempt ../../x"),
        ("a=/etc/passwd&b=../..", 404, "There is no run etc in"),
        (f"a={ONE}/001&b={TWO}", 200, "say which"),
    ],
)
def test_what_cannot_be_compared_is_said(site: Served, asked: str, status: int, says: str) -> None:
    answer = site.get(f"/compare?{asked}")
    assert answer.status == status and says in answer.text


def test_a_failed_attempt_is_shown_and_not_tested(out: Path, site: Served) -> None:
    failed = next(each.name for each in _run(out, ONE).attempts if each.verdict and each.verdict.timing is None)
    answer = site.get(f"/compare?a={ONE}/{_best(out, ONE)}&b={ONE}/{failed}")
    assert answer.status == 200 and "was not timed" in answer.text and "B over A" not in answer.text
