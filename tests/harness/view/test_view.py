"""The local pages over real HTTP: who is let in, what a browser is told it may do, and what stands in them."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from records import HOSTILE, story, verdict, write_run
from served import Served, served
from synthetic_runs import write_synthetic_run

from harness.journal import Journal
from harness.store import RunFolder
from harness.view.guard import host_name, is_loopback

RUN = "moe_align-20261121-004512"
ANYWHERE = "0.0.0.0"  # noqa: S104 - to see that it asks for a token
EVERY_PAGE = (
    "/",
    "/leaderboard",
    f"/runs/{RUN}",
    f"/runs/{RUN}/part",
    f"/runs/{RUN}/attempts/001",
    f"/runs/{RUN}/report.html",
    f"/runs/{RUN}/attempts/001/model_patch.diff",
    "/compare",
    f"/compare?a={RUN}/001&b={RUN}",
    "/static/page.css",
    "/static/page.js",
    "/static/live.js",
    "/static/icon.svg",
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    write_run(tmp_path, verdict())
    with served(tmp_path) as server:
        yield server


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_every_page_answers_under_the_policy(site: Served, path: str) -> None:
    answer = site.get(path)
    assert answer.status == 200, answer.text[:500]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "<script>" not in answer.text or path.endswith("report.html")  # inline scripts could not run anyway


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::2]", "10.0.0.1"],
)
def test_another_hosts_name_is_turned_away(site: Served, host: str) -> None:
    assert site.get("/", host_=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765"])
def test_our_own_names_are_let_in(site: Served, host: str) -> None:
    assert site.get("/", host_=host).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(site: Served, method: str) -> None:
    answer = site.get(f"/runs/{RUN}", method=method)
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/runs/nothing",
        "/runs/..",
        "/runs/%2e%2e%2f%2e%2e",
        f"/runs/{RUN}/attempts/..",
        f"/runs/{RUN}/attempts/001/..%2f..%2fjournal.jsonl",
        f"/runs/{RUN}/attempts/001/journal.jsonl",
        f"/runs/..%2f{RUN}",
        "/static/..%2fpages.py",
        "/static/report.html.j2",
        "//evil.example/",
    ],
)
def test_names_are_looked_up_and_never_made_a_path(site: Served, path: str) -> None:
    answer = site.get(path)
    assert answer.status == 404 and "content-security-policy" in answer.headers


def test_a_linked_file_is_not_followed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs", verdict())
    (tmp_path / "secret").write_text("a secret")
    (folder.attempt("001").path / "build.log").symlink_to(tmp_path / "secret")
    with served(tmp_path / "runs") as site:
        answer = site.get(f"/runs/{RUN}/attempts/001/build.log")
        page = site.get(f"/runs/{RUN}/attempts/001")
    assert answer.status == 404
    assert "a secret" not in page.text


def test_a_patch_that_the_journal_names_elsewhere_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("+a secret")
    judged = verdict()
    assert judged.patch is not None
    judged = judged.model_copy(update={"patch": judged.patch.model_copy(update={"path": str(tmp_path / "secret")})})
    write_run(tmp_path / "runs", judged)
    with served(tmp_path / "runs") as site:
        assert "a secret" not in site.get(f"/runs/{RUN}/attempts/001").text


def test_with_a_token_nobody_reads_without_it(tmp_path: Path) -> None:
    write_run(tmp_path, verdict())
    with served(tmp_path, token="s3cret") as site:  # noqa: S106 - a test's
        assert site.get("/").status == 401
        assert site.get("/", authorization="Bearer wrong").status == 401
        assert site.get("/", cookie="harness_view=wrong").status == 401
        assert site.get("/?token=wrong").status == 401
        assert site.get("/", host_="far.example", authorization="Bearer s3cret").status == 200
        entered = site.get("/leaderboard?by=agent&token=s3cret")
        assert entered.status == 303 and entered.headers["location"] == "/leaderboard?by=agent"
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
        assert site.get("/", cookie=cookie.partition(";")[0]).status == 200
        assert site.get("//evil.example?token=s3cret").headers["location"] == "/evil.example"


def test_hostile_text_is_escaped_on_every_page(tmp_path: Path) -> None:
    nasty = f"<img src=x onerror=alert(1)>{HOSTILE}".encode(errors="replace").decode()
    judged = verdict(agent=nasty, model=nasty, cause=nasty, message=nasty)
    folder = write_run(
        tmp_path, judged, story(judged, text=nasty), diff=f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+{nasty}\n"
    )
    folder.attempt("001").build_log.write_text(nasty, errors="replace")
    with served(tmp_path) as site:
        same = f"{RUN}/001"
        compared = f"/compare?a={same}&b={same}", f"/compare?a={quote(nasty)}&b=%3Cimg", f"/compare?a={same}"
        for path in ("/", "/leaderboard", f"/runs/{RUN}", f"/runs/{RUN}/attempts/001", *compared):
            text = site.get(path).text
            assert "<img" not in text and "\x1b" not in text and "\u202e" not in text, path
        patch = site.get(f"/runs/{RUN}/attempts/001/model_patch.diff")
    assert patch.headers["content-type"] == "text/plain; charset=utf-8" and "<img" in patch.text


def test_a_damaged_run_hides_no_other(tmp_path: Path) -> None:
    write_run(tmp_path, verdict())
    bad = tmp_path / "damaged-20261121-000000"
    bad.mkdir()
    (bad / "journal.jsonl").write_text("nonsense\n")
    with served(tmp_path) as site:
        runs = site.get("/").text
        page = site.get(f"/runs/{bad.name}")
        assert site.get("/leaderboard").status == 200
    assert RUN in runs and "damaged" in runs
    assert page.status == 500 and "not an event" in page.text


def test_filters_of_the_board_stand_in_the_address(tmp_path: Path) -> None:
    write_synthetic_run(tmp_path, 30, samples=0)
    with served(tmp_path) as site:
        whole = site.get("/leaderboard").text
        one = site.get("/leaderboard?agent=small-1&by=agent-model").text
        none = site.get("/leaderboard?task=nothing").text
    assert "large-2" in whole
    assert ">large-2<" not in one and ">small-1<" in one and 'value="small-1"' in one
    assert "No attempts yet" in none


def test_a_live_run_is_told_as_it_happens(tmp_path: Path) -> None:
    events = [event for event in story(verdict()) if event.event != "timing_progress"]
    folder = RunFolder(tmp_path / RUN)
    folder.attempt("001").create()
    with Journal(folder.journal) as journal, served(tmp_path) as site:
        for event in events[:4]:
            journal.append(event)
        assert 'data-run="' in site.get(f"/runs/{RUN}").text

        def rest() -> None:
            for event in events[4:]:
                time.sleep(0.02)
                journal.append(event)

        writer = threading.Thread(target=rest)
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
        connection.request("GET", f"/runs/{RUN}/events")
        answer = connection.getresponse()
        assert answer.getheader("content-type") == "text/event-stream; charset=utf-8"
        writer.start()
        told = answer.read().decode()  # ends by itself with the run
        writer.join()
        connection.close()
        finished = site.get(f"/runs/{RUN}").text
    lines = [line for data in re.findall(r"event: news\ndata: (.*)", told) for line in json.loads(data)["lines"]]
    assert lines[0].startswith("run moe_align") and any("step 2: measure" in line for line in lines)
    assert told.rstrip().endswith('data: {"finished": true}')
    assert "data-run=" not in finished and "3.91x" in finished


def test_the_command_says_where_it_is_and_ends_on_interrupt(tmp_path: Path) -> None:
    write_run(tmp_path, verdict())
    command = [sys.executable, "-m", "harness.cli", "view", "--out", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", address)
        assert found is not None, address
        give_up = time.monotonic() + 20
        while True:
            try:
                assert Served(int(found.group(1))).get("/").status == 200
                break
            except ConnectionRefusedError:
                assert time.monotonic() < give_up
                time.sleep(0.05)
        process.send_signal(2)
        assert process.wait(timeout=10) in (0, 130)
        assert "Traceback" not in process.stdout.read()


def test_any_address_but_loopback_asks_for_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.cli", "view", "--out", str(tmp_path), "--port", "0", "--host", ANYWHERE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        process.terminate()
        process.wait(timeout=10)
    assert re.fullmatch(r"http://0\.0\.0\.0:\d+/\?token=[\w-]{20,}", address), address


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        command = [sys.executable, "-m", "harness.cli", "view", "--out", str(tmp_path), "--port", str(site.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"port {site.port}: Address already in use" in done.stderr and "--port" in done.stderr


def test_names_of_hosts() -> None:
    assert [host_name(each) for each in ("A:1", "[::1]:8", "::1", "b", "c:")] == ["a", "::1", "::1", "b", "c"]
    assert is_loopback("127.9.9.9") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback(ANYWHERE) and not is_loopback("example.org") and not is_loopback("10.0.0.1")
