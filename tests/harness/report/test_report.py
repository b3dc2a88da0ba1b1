"""Reports of real folders: what stands in them, what can never come alive in them, and what becomes of damage."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from records import DIFF, HOSTILE, interval, story, verdict, write_run
from synthetic_runs import a_measurement, write_synthetic_run

from harness import __version__
from harness.errors import UsageError
from harness.report.build import MOST_BYTES, html_report, json_report, markdown_report, write_report
from harness.report.material import RunMaterial, read_run
from harness.report.page import asset, prose, source_hash
from harness.store import RunFolder
from harness.strict_json import strict_json
from harness.verdict import Finding, Verdict

GOLDEN = Path(__file__).parent / "golden"
NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "{{ 7 * 7 }}{% raw %}",
    "</style><svg onload=alert(3)>",
    "</script><script>alert(4)</script>",
    "[click](javascript:alert(5)) <b>&amp;</b> ![x](http://evil.example/x.png)",
    HOSTILE,
)


class Page(HTMLParser):
    """Collects what could act in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]


def require_harmless(text: str) -> None:
    """One style, one script, both ours; no other element, attribute or address that does anything."""
    page = Page(text)
    assert page.tags.count("script") == 1 and page.tags.count("style") == 1
    assert not {"img", "iframe", "object", "embed", "link", "base", "form", "video", "image", "use"} & set(page.tags)
    for tag, key, value in page.attributes:
        assert not key.startswith("on") and key not in ("style", "srcdoc", "action", "xlink:href"), (tag, key)
        if key in ("href", "src"):
            assert value.startswith("#"), value
    assert "{{ 7 * 7 }}" in text or "7 * 7" not in text  # shown, never computed


def hostile_run(folder: Path, nasty: str) -> RunMaterial:
    judged = verdict(
        agent=nasty,
        model=nasty,
        cause=nasty,
        message=nasty,
        sandbox=nasty,
        findings=[Finding(rule=nasty, severity="review", file=nasty, line=1, message=nasty)],
    )
    named = [each.model_copy(update={"name": f"{nasty}{n}"}) for n, each in enumerate(judged.workloads)]
    judged = judged.model_copy(update={"workloads": named})
    diff = f"diff --git a/{nasty} b/{nasty}\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@ {nasty}\n-{nasty}\n+{nasty} # \u202e\n"
    made = write_run(folder, judged, story(judged, text=nasty), diff=diff)
    attempt = made.attempt("001")
    attempt.samples.write_text(strict_json({"selection": a_measurement(judged, random.Random(1)).model_dump()}))
    call = {"id": "c", "name": nasty, "arguments": nasty}
    attempt.trajectory.write_text(
        "\n".join(
            strict_json(line)
            for line in (
                {"event": "prompt", "at": "2026-11-21T00:00:00+00:00", "text": nasty},
                {"event": "turn", "at": nasty, "step": 1, "seconds": 1, "turn": {"text": nasty, "tool_calls": [call]}},
                {
                    "event": "tool_result",
                    "at": "",
                    "step": 1,
                    "seconds": 1,
                    "result": {"call_id": "c", "name": nasty, "output": nasty},
                },
            )
        )
        + "\n"
    )
    attempt.build_log.write_text(nasty, errors="replace")
    return read_run(made)


@pytest.mark.parametrize("nasty", NASTY)
def test_hostile_strings_in_every_field_are_shown_and_do_nothing(tmp_path: Path, nasty: str) -> None:
    run = hostile_run(tmp_path, nasty)
    page = html_report(run)
    require_harmless(page)
    assert "\u202e" not in page and "\x1b" not in page
    assert "alert(1)" in page or "alert(1)" not in nasty  # it is to be read, not dropped
    text = markdown_report(run)
    outside = re.sub(r"^(`{3,})diff\n.*?^\1$", "", text, flags=re.S | re.M).replace(
        "<details><summary>Patch</summary>", ""
    )
    assert "<script" not in outside and "<img" not in outside and "\x1b" not in outside
    json.loads(json_report(run))


def test_the_policy_lets_nothing_but_this_pages_own_script_run(tmp_path: Path) -> None:
    page = html_report(read_run(write_run(tmp_path, verdict())))
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    policy = policy.replace("&#39;", "'")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy and "http" not in policy
    [script] = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    [style] = re.findall(r"<style>(.*?)</style>", page, flags=re.S)
    assert source_hash(script) in policy and source_hash(style) in policy
    assert script == asset("page.js") and "url(" not in style and "@import" not in style


def test_what_an_agent_wrote_is_set_as_text() -> None:
    links = "[a](https://e.example) ![i](https://e.example/i.png)"
    html = str(prose(f"# Title\n\n**bold** `x<y` <b>raw</b>\n\n{links}\n\n| a | b |\n|---|---|\n| 1 | 2 |"))
    assert "<strong>bold</strong>" in html and "<td>1</td>" in html and "x&lt;y" in html
    assert "<h1" not in html and "<a " not in html and "<img" not in html and "<b>" not in html


def golden(name: str, text: str) -> None:
    """Held against the file; `UPDATE_GOLDEN=1` writes it anew."""
    import os

    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"differs from {path}; UPDATE_GOLDEN=1 writes it anew"


def three_attempts(tmp_path: Path) -> RunFolder:
    events = story(verdict(attempt="001", speedup=2.5), attempts=3)[:-1]
    others: list[Verdict] = [
        verdict("incorrect", attempt="002", cause="wrong_output", message="Element 3 differs."),
        verdict("faster", 3.91, attempt="003", model="a-model"),
    ]
    for judged in others:
        events += [event for event in story(judged) if event.event in ("attempt_started", "attempt_finished")]
        attempt = tmp_path / str(judged.run) / str(judged.attempt)
        attempt.mkdir(parents=True)
        (attempt / "model_patch.diff").write_text(DIFF)
    finished = story(verdict())[-1]
    events.append(finished.model_copy(update={"attempts": []}))
    return write_run(tmp_path, verdict(attempt="001"), events)


def test_markdown_and_json_against_golden_files(tmp_path: Path) -> None:
    run = read_run(three_attempts(tmp_path))
    golden("report.md", markdown_report(run).replace(f"harness {__version__}", "harness VERSION"))
    golden("report.json", json_report(run))


def test_the_best_comes_first_and_failures_are_counted(tmp_path: Path) -> None:
    run = read_run(three_attempts(tmp_path))
    assert [attempt.name for attempt in run.ranked] == ["003", "001", "002"]
    document = json.loads(json_report(run))
    assert document["best"] == "003" and document["counts"] == {"faster": 2, "incorrect": 1}
    page = html_report(run)
    assert "3.91x" in page and "Element 3 differs." in page and '<table class="diff">' in page


def test_files_that_are_missing_or_damaged_are_said_to_be(tmp_path: Path) -> None:
    folder = write_run(tmp_path, verdict())
    attempt = folder.attempt("001")
    attempt.samples.write_text('{"selection": {"speedup": 1}}')
    attempt.trajectory.write_text('{"event": "prompt", "at": "", "text": "Go."}\nnot json\n')
    attempt.patch.unlink()
    page = html_report(read_run(folder))
    assert "There is no patch." in page and "the file is damaged there" in page and "Go." in page
    assert "Raw samples" not in page


def test_a_run_that_never_got_to_an_attempt_has_a_report(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, verdict(), story(verdict())[:3]))
    assert "no attempt" in html_report(run) and "No attempt was started" in markdown_report(run)


def test_ten_megabytes_of_patch_and_log_stay_under_the_limit(tmp_path: Path) -> None:
    lines = "".join(f"+x{n} = {n}\n" for n in range(600_000))
    folder = write_run(tmp_path, verdict(), diff=f"--- a/x.py\n+++ b/x.py\n@@ -0,0 +1,600000 @@\n{lines}")
    folder.attempt("001").build_log.write_text("x" * 10_000_000)
    turn = {"event": "turn", "at": "", "step": 1, "seconds": 1, "turn": {"text": "y" * 10_000_000}}
    folder.attempt("001").trajectory.write_text(strict_json(turn) + "\n")
    page = html_report(read_run(folder))
    assert len(page.encode()) < MOST_BYTES
    assert "more rows are left out" in page and "characters left out" in page


def test_many_attempts_fit_and_the_rest_is_told(tmp_path: Path) -> None:
    folder = write_synthetic_run(tmp_path, 60, samples=4)
    page = html_report(read_run(folder), most_bytes=700_000)
    assert len(page.encode()) < 700_000
    left_out = re.search(r"(\d+) attempts are in the table only", page)
    assert left_out is not None and 0 < int(left_out.group(1)) < 60
    assert page.count('<details class="attempt"') == 60 - int(left_out.group(1))


def test_the_files_suffix_says_the_form(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, verdict()))
    assert write_report(run, tmp_path / "r.html") == (tmp_path / "r.html").stat().st_size
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    with pytest.raises(UsageError, match=r"no report of the form \.pdf"):
        write_report(run, tmp_path / "r.pdf")
    with pytest.raises(UsageError, match="no folder"):
        write_report(run, tmp_path / "nowhere" / "r.html")


def test_facts_warn_of_what_speaks_against_a_patch(tmp_path: Path) -> None:
    judged = verdict()
    slower = judged.workloads[0].model_copy(update={"speedup": interval(0.8, 0.75, 0.85)})
    judged = judged.model_copy(update={"workloads": [slower, judged.workloads[1]], "sandbox": "none"})
    text = markdown_report(read_run(write_run(tmp_path, judged)))
    assert "✗ 1 of 2 workloads became slower: decode-1" in text
    # One of many leaves 1 out by chance: 10 % of simulated reports of a no-op over 12 workloads had such a one.
    chance = judged.workloads[0].model_copy(update={"speedup": interval(0.99, 0.98, 0.995)})
    lucky = judged.model_copy(update={"workloads": [chance, judged.workloads[1]]})
    told = markdown_report(read_run(write_run(tmp_path / "chance", lucky)))
    assert "became slower" not in told and "No workload is shown to lose 2.0% or more; the least gain is 0.99x" in told
    assert "Nothing confined the patch's code" in text


def test_a_gpus_clock_and_temperature_are_drawn(tmp_path: Path) -> None:
    judged = verdict()
    folder = write_run(tmp_path, judged)
    measured = a_measurement(judged, random.Random(2), gpu=True)
    folder.attempt("001").samples.write_text(strict_json({"selection": measured.model_dump(), "confirmation": None}))
    page = html_report(read_run(folder))
    assert "SM clock while timing" in page and "Temperature while timing" in page and "NVIDIA H100" in page


@pytest.mark.parametrize("times", ["as measured", "zero"])
def test_the_means_of_held_out_and_shown_workloads_have_intervals_where_there_are_samples(
    tmp_path: Path, times: str
) -> None:
    judged = verdict()
    folder = write_run(tmp_path, judged)
    measured = a_measurement(judged, random.Random(2))
    if times == "zero":
        no_times = [each.model_copy(update={"base_us": 0.0}) for each in measured.samples]
        measured = measured.model_copy(update={"samples": no_times})
    folder.attempt("001").samples.write_text(strict_json({"selection": measured.model_dump(), "confirmation": None}))
    told = " ".join(json.dumps(json.loads(json_report(read_run(folder)))).split())
    interval_of = r"Held-out workloads [\d.]+x \[[\d.]+, [\d.]+\], shown ones [\d.]+x \[[\d.]+, [\d.]+\]: the gain"
    assert bool(re.search(interval_of, told)) == (times == "as measured")
    assert times == "as measured" or "Held-out workloads 10.0x, shown ones 3.91x: the gain" in told
