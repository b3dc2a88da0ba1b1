"""Reports and local pages in a real browser: clicked through, dark, narrow, printed, live, and hostile."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Opened
from records import story, verdict, write_run
from reference_figures import a_row, a_table, write_references
from served import Served, served
from synthetic_runs import a_measurement, a_verdict, trajectory, write_synthetic_run

from harness.journal import Journal
from harness.leaderboard import leaderboard
from harness.ranking import Ranking, rank, read_folders
from harness.report.board_page import boards_html
from harness.report.build import html_report
from harness.report.material import read_run
from harness.store import RunFolder
from harness.strict_json import strict_json

pytestmark = pytest.mark.slow
Look = Callable[[Any], None]
SEARCHED = "search-20261120-090000"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    write_synthetic_run(out, 12, samples=6)
    write_synthetic_run(out, 12, samples=1, seed=8, name=SEARCHED, search=True)
    judged = verdict(run="gpu-20261121-000000")
    folder = write_run(out, judged)
    measured = a_measurement(judged, random.Random(2), gpu=True)
    folder.attempt("001").samples.write_text(strict_json({"selection": measured.model_dump()}))
    folder.attempt("001").trajectory.write_text(trajectory(6))
    return out


@pytest.fixture(scope="module")
def report(runs: Path) -> str:
    path = runs / "report.html"
    path.write_text(html_report(read_run(RunFolder(runs / "moe_align-20261120-090000"))))
    return path.as_uri()


@pytest.fixture(scope="module")
def site(runs: Path) -> Iterator[Served]:
    with served(runs) as server:
        yield server


def overflows(page: Any) -> list[str]:  # noqa: ANN401 - Playwright's
    """What makes the page wider than the window."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
          && !e.closest('.scroll')).slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
    )


@pytest.mark.parametrize("dark", [False, True])
def test_the_report_is_accessible_in_light_and_dark(opened: Opened, accessible: Look, report: str, dark: bool) -> None:
    page = opened(report, dark=dark)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    accessible(page)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(13, 17, 23)" if dark else "rgb(244, 245, 247)")


def test_the_theme_switch_wins_over_the_systems_wish(opened: Opened, accessible: Look, report: str) -> None:
    page = opened(report, dark=False)
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    assert page.evaluate("getComputedStyle(document.querySelector('.chart .wide text')).fill") == "rgb(160, 171, 184)"
    accessible(page)


@pytest.mark.parametrize("width", [320, 760, 1200])
def test_nothing_is_wider_than_the_window(opened: Opened, report: str, site: Served, width: int) -> None:
    pair = "a=moe_align-20261120-090000/001&b=gpu-20261121-000000/001"
    paths = ("/", "/leaderboard", "/runs/gpu-20261121-000000/attempts/001", "/compare", f"/compare?{pair}")
    for url in (report, *(site.url + path for path in paths)):
        page = opened(url, width=width)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert overflows(page) == [], url
        assert page.locator(".chart .narrow:visible").count() == (page.locator(".chart").count() if width <= 760 else 0)


def test_a_link_unfolds_an_attempt_and_the_keyboard_reaches_its_calls(opened: Opened, report: str) -> None:
    page = opened(report)
    second = page.locator("details.attempt").nth(1)
    assert second.get_attribute("open") is None
    name = page.locator(".attempts tbody tr").nth(1).locator("a")
    name.click()
    assert second.get_attribute("open") is not None
    call = second.locator("details.call").first
    call.locator("summary").focus()
    page.keyboard.press("Enter")
    assert call.locator("pre").first.is_visible()


def test_a_mark_says_what_it_is_when_pointed_at(opened: Opened, report: str) -> None:
    page = opened(report)
    page.locator("details.attempt[open] .chart .wide [aria-roledescription=point]").nth(2).hover()
    assert "x [" in page.locator("#tip").inner_text()


@pytest.mark.parametrize("dark", [False, True])
def test_two_side_by_side_are_accessible(
    opened: Opened, accessible: Look, runs: Path, site: Served, dark: bool
) -> None:
    run = read_run(RunFolder(runs / "moe_align-20261120-090000"))
    pair = "&".join(f"{side}={run.name}/{each.name}" for side, each in zip("ab", run.ranked, strict=False))
    page = opened(f"{site.url}/compare?{pair}", dark=dark)
    accessible(page)
    assert page.locator(".chart .wide [aria-roledescription=point]").count() >= 8
    accessible(opened(f"{site.url}/compare?a={run.name}&b={run.name}", dark=dark, width=320))
    accessible(opened(f"{site.url}/compare?a={run.name}/001", dark=dark))


@pytest.mark.parametrize(("dark", "width"), [(False, 1200), (True, 320)])
def test_a_search_is_drawn_and_told_as_a_table(
    opened: Opened, accessible: Look, runs: Path, site: Served, tmp_path: Path, dark: bool, width: int
) -> None:
    path = tmp_path / "search.html"
    path.write_text(html_report(read_run(RunFolder(runs / SEARCHED))))
    for url in (path.as_uri(), f"{site.url}/runs/{SEARCHED}"):
        page = opened(url, dark=dark, width=width)
        accessible(page)
        assert overflows(page) == []
        table = page.get_by_role("region", name="The search, a table")
        assert table.locator("tbody tr").count() == 12
        table.get_by_role("link", name="004").first.click()
        assert "004" in page.url
        accessible(page)


def test_printing_unfolds_and_is_light(opened: Opened, report: str) -> None:
    page = opened(report, dark=True)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".top").is_visible()
    assert len(page.pdf()) > 20_000


def test_the_board_as_a_file(opened: Opened, accessible: Look, tmp_path: Path) -> None:
    rng = random.Random(3)
    board = tmp_path / "board.html"
    found = leaderboard([a_verdict("run", f"{number:03d}", rng) for number in range(40)])
    board.write_text(boards_html(Ranking(found)))
    page = opened(board.as_uri())
    page.get_by_text("What more attempts are worth").click()
    assert page.get_by_role("columnheader", name="pass@1").is_visible()
    accessible(page)


@pytest.mark.parametrize(("dark", "width"), [(False, 1200), (True, 1200), (False, 320), (True, 320)])
def test_reference_figures_are_accessible_and_scroll_in_their_own_place(
    opened: Opened, accessible: Look, tmp_path: Path, dark: bool, width: int
) -> None:
    folder = write_run(tmp_path / "runs", verdict())
    columns = [f"size {number}" for number in range(20)]
    names = [
        f"implementation {number} with a name so long that it does not fit beside its source" for number in range(9)
    ]
    rows = [a_row(name, values=[float(len(name))] * 20, machine=name) for name in names]
    many = a_table(title="Many", columns=columns, rows=rows, headline=None, measured="time a call, told at length " * 9)
    write_references(folder.references, a_table(), many)
    report, board = tmp_path / "report.html", tmp_path / "board.html"
    report.write_text(html_report(read_run(folder)))
    read = read_folders([folder])
    board.write_text(boards_html(rank(read, by="attempt")))
    with served(tmp_path / "runs") as site:
        pages = (f"{site.url}/leaderboard?by=attempt", f"{site.url}/runs/{folder.name}")
        for url in (report.as_uri(), board.as_uri(), *pages):
            page = opened(url, dark=dark, width=width)
            for details in page.get_by_text("How these figures were taken").all():
                details.click()
            accessible(page)
            assert overflows(page) == [], url
            table = page.get_by_role("region", name="Many")
            assert table.get_by_role("rowheader", name="implementation 8").count() == 1
            # What a figure is can be read whole, without scrolling.
            assert table.evaluate(
                "place => place.querySelector('caption > span').getBoundingClientRect().right"
                " <= place.getBoundingClientRect().right + 1"
            ), url
            table.evaluate("place => { place.scrollLeft = place.scrollWidth }")
            # A row keeps its name however far its figures are scrolled.
            assert table.get_by_role("rowheader", name="implementation 8").bounding_box()["x"] >= 0


def test_every_local_page_clicked_through(opened: Opened, accessible: Look, site: Served) -> None:
    page = opened(site.url)
    accessible(page)
    page.get_by_role("link", name="moe_align-20261120-090000").click()
    accessible(page)
    page.locator(".attempts tbody a").first.click()
    assert page.get_by_role("heading", level=1).inner_text().startswith("Attempt ")
    accessible(page)
    first = page.url
    page.locator("a[rel=next], a[rel=prev]").first.click()
    assert page.url != first
    page.get_by_role("link", name="prompt.md").click()
    assert "Make it faster." in page.content()
    page.goto(f"{site.url}/leaderboard")
    page.get_by_label("agent or model has").fill("small-1")
    page.get_by_role("button", name="Show").click()
    assert "agent=small-1" in page.url
    assert page.get_by_role("cell", name="large-2").count() == 0
    accessible(page)
    page.goto(f"{site.url}/runs/moe_align-20261120-090000")
    page.locator(".attempts input").nth(0).check()
    page.locator(".attempts input").nth(1).check()
    page.get_by_role("button", name="Compare the two").click()
    assert "a=moe_align-20261120-090000%2F" in page.url and "&b=moe_align-20261120-090000%2F" in page.url
    said = page.locator(".verdict").inner_text()
    assert page.locator(".diff").count() == 2
    accessible(page)
    page.get_by_role("link", name="Swap A and B").click()
    assert page.locator(".verdict").inner_text().split(" is ")[0] in said
    page.go_back()
    page.go_back()
    with page.expect_download() as download:
        page.get_by_role("link", name="Offline report").click()
    assert download.value.suggested_filename == "report.html"


def test_a_live_run_fills_in(opened: Opened, tmp_path: Path) -> None:
    judged = verdict()
    events = [event for event in story(judged) if event.event != "timing_progress"]
    folder = RunFolder(tmp_path / str(judged.run))
    folder.attempt("001").create()
    with Journal(folder.journal) as journal, served(tmp_path) as site:
        journal.append(events[0])
        page = opened(f"{site.url}/runs/{folder.name}")
        assert page.get_by_text("Getting ready").is_visible()

        def rest() -> None:
            for event in events[1:]:
                time.sleep(0.15)
                journal.append(event)

        writer = threading.Thread(target=rest)
        writer.start()
        page.locator("#news").get_by_text("step 2: measure").wait_for(timeout=20_000)
        page.locator("#part .number").get_by_text("3.91x").wait_for(timeout=20_000)
        page.locator("#part h1").get_by_text("finished").wait_for(timeout=20_000)
        writer.join()
        page.close()


@pytest.mark.parametrize(
    "nasty",
    [
        "<script>alert(1)</script>",
        '"><img src=//e.example/x onerror=alert(1)>',
        "</style></script><svg onload=alert(1)>",
    ],
)
def test_hostile_text_runs_nothing_and_asks_for_nothing(opened: Opened, tmp_path: Path, nasty: str) -> None:
    judged = verdict(agent=nasty, model=nasty, cause=nasty, message=nasty)
    named = [each.model_copy(update={"name": f"{nasty}{n}"}) for n, each in enumerate(judged.workloads)]
    judged = judged.model_copy(update={"workloads": named})
    folder = write_run(
        tmp_path, judged, story(judged, text=nasty), diff=f"--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+{nasty}\n"
    )
    measured = a_measurement(judged, random.Random(2), gpu=True)
    folder.attempt("001").samples.write_text(strict_json({"selection": measured.model_dump()}))
    said = {"event": "turn", "at": "", "step": 1, "seconds": 1, "turn": {"text": nasty}}
    folder.attempt("001").trajectory.write_text(json.dumps(said) + "\n")
    path = tmp_path / "report.html"
    path.write_text(html_report(read_run(folder)))
    assert nasty in opened(path.as_uri()).locator("body").inner_text().replace("\n", " ")
    with served(tmp_path) as site:
        one = f"{folder.name}/001"
        pair = f"/compare?a={one}&b={one}", f"/compare?a={one}"
        for place in ("/", "/leaderboard", f"/runs/{folder.name}", f"/runs/{folder.name}/attempts/001", *pair):
            opened(f"{site.url}{place}").close()


def test_a_thousand_attempts_paint_within_a_second_or_so(opened: Opened, tmp_path: Path) -> None:
    """The promise is one second; the time is printed, and only gross failure fails: machines differ."""
    write_synthetic_run(tmp_path, 1000, samples=0)
    with served(tmp_path) as site:
        site.get("/runs/moe_align-20261120-090000")  # a server that has seen the run, as one that followed it has
        page = opened(f"{site.url}/runs/moe_align-20261120-090000")
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        print(f"first contentful paint of 1,000 attempts: {paint:.0f} ms")
        assert page.locator(".attempts tbody tr").count() == 1000
        assert paint < 10_000
        page.close()
