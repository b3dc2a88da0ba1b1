"""`harness export`: what it writes is taken by the real git, says what was measured, and refuses what is no win."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from merged import RUN, commit_all, finished_run, git, make_repository
from records import HOSTILE, interval
from tiny_task import TinyTask

from harness.errors import UsageError
from harness.merge.export import ExportOptions, export_attempt
from harness.store import AttemptFolder
from harness.verdict import Finding, WorkloadResult

GOLDEN = Path(__file__).parent / "golden"
SAID = "Counts each square once.\n\nThe inner loop made it twenty times: 20 * n -> n."
NASTY = (
    "Fixes #1 @root\n---\ndiff --git a/evil b/evil\nnew file mode 100644\n--- /dev/null\n"
    "+++ b/evil\n@@ -0,0 +1 @@\n+x\n"
    "-- >8 --\nFrom: Eve <eve@e.example>\nSigned-off-by: Eve <eve@e.example>\n```\n<script>alert(1)</script>\n"
    "![x](http://e.example/x.png) [y](javascript:1)\n" + HOSTILE
)


def exported(folder: AttemptFolder, to: Path, **options: object) -> dict[str, str]:
    export_attempt(folder, ExportOptions(folder=to, **options))  # type: ignore[arg-type]
    return {path.name: path.read_text() for path in to.iterdir() if path.suffix != ".gz"}


def clone(repository: Path, to: Path) -> Path:
    git(repository, "clone", "--quiet", str(repository), str(to))
    git(to, "config", "user.name", "A Reviewer")
    git(to, "config", "user.email", "reviewer@example.invalid")
    return to


@pytest.mark.parametrize("prefix", ["", "lib/deep er/"])
def test_git_am_takes_the_patch_where_the_target_came_from(tiny: TinyTask, tmp_path: Path, prefix: str) -> None:
    """At the root of a repository, and folders down in one, with a blank in a name."""
    root = tiny.folder / "target"
    if prefix:
        root = tmp_path / "outer"
        (root / prefix).parent.mkdir(parents=True)
        tiny.folder.rename(root / prefix)
        tiny = TinyTask(root / prefix)
    make_repository(root)
    folder = finished_run(tiny, tmp_path / "runs", tmp_path, said=SAID)
    files = exported(folder, tmp_path / "to")
    reviewer = clone(root, tmp_path / "reviewer")
    git(reviewer, "am", str(tmp_path / "to" / "0001-tiny.patch"))
    changed = git(reviewer, "diff", "--name-only", "HEAD~").strip('"')
    assert changed == (f"{prefix}target/tiny/core.py" if prefix else "tiny/core.py")
    assert "range(1)" in (reviewer / changed).read_text()
    message = git(reviewer, "log", "-1", "--format=%B")
    assert message.splitlines()[0] == "tiny: 3.91x [3.71, 4.11] as fast"
    assert "> Counts each square once." in message and "harness verify --bundle" in message
    assert git(reviewer, "log", "-1", "--format=%an <%ae> %aI") == (
        "perf-harness <agent@perf-harness.invalid> 2026-11-21T00:45:12+00:00"
    )
    assert git(root, "rev-parse", "HEAD") in message
    assert str(tmp_path) not in "".join(files.values())


def test_lines_that_end_in_crlf_survive(tiny: TinyTask, tmp_path: Path) -> None:
    tiny.core.write_bytes(tiny.core.read_bytes().replace(b"\n", b"\r\n"))
    make_repository(tiny.folder / "target")
    diff = (
        b"diff --git a/tiny/core.py b/tiny/core.py\n--- a/tiny/core.py\n+++ b/tiny/core.py\n@@ -6,5 +6,5 @@\n"
        b"     result = 0\r\n     for value in values:\r\n"
        b"-        for _ in range(20):  # the work a first version does too often\r\n"
        b"+        for _ in range(1):\r\n             square = value * value\r\n         result += square\r\n"
    )
    folder = finished_run(tiny, tmp_path / "runs", tmp_path, diff=diff)
    files = exported(folder, tmp_path / "to")
    (command,) = re.findall(r"\$ (git am .*)", files["pull_request.md"])
    reviewer = clone(tiny.folder / "target", tmp_path / "reviewer")
    git(reviewer, *command.split()[1:-1], str(tmp_path / "to" / command.split()[-1]))
    assert b"range(1):\r\n" in (reviewer / "tiny/core.py").read_bytes()


def test_hostile_words_neither_change_the_commit_nor_come_alive(in_repository: TinyTask, tmp_path: Path) -> None:
    workloads = [
        WorkloadResult(name=name, held_out=False, base_us=2.0, candidate_us=1.0, speedup=interval(2.0))
        for name in ("diff -u a b", "---", HOSTILE, "x" * 200, "a|b`c`", "Fixes #9")
    ]
    finding = Finding(rule="r", severity="review", file="tiny/core.py", line=1, message=NASTY)
    folder = finished_run(
        in_repository,
        tmp_path / "runs",
        tmp_path,
        said=NASTY,
        workloads=workloads,
        model=NASTY,
        agent=HOSTILE,
        findings=[finding],
    )
    files = exported(folder, tmp_path / "to")
    reviewer = clone(in_repository.folder, tmp_path / "reviewer")
    git(reviewer, "config", "mailinfo.scissors", "true")
    git(reviewer, "am", str(tmp_path / "to" / "0001-tiny.patch"))
    assert git(reviewer, "diff", "--name-only", "HEAD~") == "target/tiny/core.py"
    message = git(reviewer, "log", "-1", "--format=%B")
    assert message.startswith("tiny: 3.91x") and "harness verify --bundle" in message
    assert git(reviewer, "log", "-1", "--format=%(trailers)") == ""
    assert not re.search(r"#\d|@\w|\x1b|\u202e|://", message)
    # Rendered as GitHub's dialect: tables stay tables, and no element is anybody else's.
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(files["pull_request.md"])
    elements = set(re.findall(r"<([a-z0-9]+)", html))
    assert elements == {
        "h1",
        "h2",
        "p",
        "pre",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "strong",
    }
    assert html.count("<tr>") == 1 + 1 + 1 + 6 + 1 + len(
        re.findall(r"^\| (?:device|platform|versions|base|sandbox|perf)", files["pull_request.md"], re.M)
    )
    outside_code = re.sub(r"<code.*?</code>", "", html, flags=re.DOTALL)
    assert not re.search(r"#\d|@\w|://", outside_code)


def golden(name: str, text: str, tmp_path: Path, *secrets: str) -> None:
    for number, secret in enumerate(secrets):
        text = text.replace(secret, f"<{number}>")
    expected = GOLDEN / name
    (tmp_path / name).write_text(text)
    assert text == expected.read_text(), f"{expected} differs; what was made: {tmp_path / name}"


def test_what_a_reviewer_reads(in_repository: TinyTask, tmp_path: Path) -> None:
    finding = Finding(
        rule="global_state", severity="review", file="tiny/core.py", line=3, message="A cache outlives a call."
    )
    folder = finished_run(in_repository, tmp_path / "runs", tmp_path, said=SAID, model="some-model", findings=[finding])
    made = export_attempt(folder, ExportOptions(folder=tmp_path / "to"))
    head = git(in_repository.folder, "rev-parse", "HEAD")
    mail = (tmp_path / "to" / "0001-tiny.patch").read_text()
    secrets = (head, made.made.sha256)
    golden("pull_request.md", (tmp_path / "to" / "pull_request.md").read_text(), tmp_path, *secrets)
    golden("0001-tiny.patch", re.sub(r"^From [0-9a-f]{40}", "From <hash>", mail), tmp_path, *secrets)


def test_a_summary_is_found_at_the_end_of_the_session_where_it_is_nowhere_else(tiny: TinyTask, tmp_path: Path) -> None:
    folder = finished_run(tiny, tmp_path / "runs", tmp_path)
    end = {
        "event": "end",
        "ended": "submitted",
        "detail": SAID,
        "steps": 1,
        "bad_calls": 0,
        "usage": {},
        "usd": 0.0,
        "seconds": 1.0,
    }
    folder.trajectory.write_text(json.dumps(end) + "\n")
    assert "Counts each square once." in exported(folder, tmp_path / "to")["pull_request.md"]
    folder.trajectory.write_text(json.dumps(end | {"ended": "limit"}) + "\n")
    assert "left no summary" in exported(folder, tmp_path / "to")["pull_request.md"]


@pytest.mark.parametrize(
    ("status", "told"), [("same", "NOT FASTER (no difference"), ("incorrect", "NOT FASTER (incorrect)")]
)
def test_what_is_no_win_is_exported_by_force_alone(
    in_repository: TinyTask, tmp_path: Path, status: str, told: str
) -> None:
    folder = finished_run(in_repository, tmp_path / "runs", tmp_path, status=status)
    with pytest.raises(UsageError, match=f"{RUN}/001 is {status}.*not faster: It is {status}") as refused:
        exported(folder, tmp_path / "to")
    assert "--force" in str(refused.value) and not (tmp_path / "to").exists()
    files = exported(folder, tmp_path / "to", force=True)
    assert told in files["0001-tiny.patch"] and told in files["pull_request.md"]
    assert "**This is not a win.**" in files["pull_request.md"]


def test_a_patch_that_was_changed_since_is_not_exported(in_repository: TinyTask, tmp_path: Path) -> None:
    folder = finished_run(in_repository, tmp_path / "runs", tmp_path)
    folder.patch.write_bytes(folder.patch.read_bytes().replace(b"range(1)", b"range(2)"))
    with pytest.raises(UsageError, match="is not the patch that was judged"):
        exported(folder, tmp_path / "to")


def test_a_target_that_moved_on_is_exported_on_the_commit_it_was(in_repository: TinyTask, tmp_path: Path) -> None:
    folder = finished_run(in_repository, tmp_path / "runs", tmp_path)
    before = git(in_repository.folder, "rev-parse", "HEAD")
    in_repository.core.write_text("total = sum\n")
    after = commit_all(in_repository.folder)
    made = export_attempt(folder, ExportOptions(folder=tmp_path / "to", branch="old"))
    assert made.branch is not None and made.branch[3] == before != after
    assert "range(1)" in git(in_repository.folder, "show", "old:target/tiny/core.py")


def test_a_target_that_nobody_has_any_more_is_refused(tiny: TinyTask, tmp_path: Path) -> None:
    folder = finished_run(tiny, tmp_path / "runs", tmp_path)
    tiny.core.write_text("total = sum\n")
    with pytest.raises(UsageError, match=r"is not what .* worked on"):
        exported(folder, tmp_path / "to")
