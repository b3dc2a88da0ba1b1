"""The pieces of a report: diffs, hidden characters, drawings, conversations."""

from __future__ import annotations

import pytest
from records import verdict

from agent.messages import ModelTurn, ToolCall, ToolResult
from agent.trajectory import Ended, Prompted, ToolEnded, TurnTaken, Usage
from harness.report.chart import round_ratios
from harness.report.conversation import outcome, readable
from harness.report.diffs import parse_diff, side_by_side
from harness.report.hidden import revealed
from harness.report.highlight import view_diff
from harness.report.speedup_charts import workload_chart
from harness.report.svg import cleaned
from harness.verdict import Verdict

DIFF = """diff --git a/a b.py b/a b.py
new file mode 100644
--- /dev/null
+++ b/a b.py
@@ -0,0 +1,2 @@
+one
+--- two
diff --git a/c.py b/c.py
index 1..2 100644
--- a/c.py
+++ b/c.py
@@ -1,3 +1,3 @@ def f():
 same
-old
+new
 end
\\ No newline at end of file
diff --git a/d.bin b/d.bin
Binary files a/d.bin and b/d.bin differ
"""


def test_a_diff_is_read_into_files_hunks_and_lines() -> None:
    files = parse_diff(DIFF)
    assert [file.path for file in files] == ["a b.py", "c.py", "d.bin"]
    assert [(file.added, file.removed) for file in files] == [(2, 0), (1, 1), (0, 0)]
    assert files[0].notes == ["new file mode 100644"]
    assert files[0].hunks[0].lines[1].text == "--- two"  # a line of the file, not a head
    assert files[1].hunks[0].heading == "def f():"
    assert [(line.kind, line.old, line.new) for line in files[1].hunks[0].lines] == [
        ("same", 1, 1),
        ("removed", 2, None),
        ("added", None, 2),
        ("same", 3, 3),
    ]
    assert "Binary files" in files[2].notes[0]


@pytest.mark.parametrize(
    "broken",
    ["", "not a diff\n", "@@ -1 +1 @@\n-a\n+b\n", DIFF[:150], DIFF[:-60], "@@ -1,9 +1,9 @@\n a\n", "\x00" * 99],
)
def test_no_patch_keeps_a_page_from_being_made(broken: str) -> None:
    view_diff(broken)


def test_replaced_lines_stand_side_by_side() -> None:
    [file] = parse_diff("--- a/x\n+++ b/x\n@@ -1,3 +1,2 @@\n-a\n-b\n-c\n+A\n+B\n")
    rows = [(row.left and row.left.text, row.right and row.right.text) for row in side_by_side(file.hunks[0])]
    assert rows == [("a", "A"), ("b", "B"), ("c", None)]


def test_lines_have_syntax_classes_and_changed_words_are_marked() -> None:
    view = view_diff("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-return total + 1\n+return total + 2\n")
    [row] = view.files[0].blocks[0].rows
    assert row.left is not None and row.right is not None
    assert [span.text for span in row.right.spans if span.changed] == ["2"]
    assert row.left.spans[0].text == "return" and row.left.spans[0].kind == "k"
    assert "".join(span.text for span in row.left.spans) == "return total + 1"


def test_a_hunk_that_begins_inside_a_string_keeps_its_colours_right() -> None:
    text = '--- a/x.py\n+++ b/x.py\n@@ -5,3 +5,3 @@\n     end of a docstring\n     """\n-    return 1\n+    return 2\n'
    rows = view_diff(text).files[0].blocks[0].rows
    kinds = {span.text.strip(): span.kind for row in rows if row.left for span in row.left.spans}
    assert kinds["return"] == "k" and kinds["end of a docstring"].startswith("s")


def test_hidden_characters_are_shown_by_name() -> None:
    assert revealed("a\u202eb\x1b[2Jc\r\nd\te\u200b") == "a⟨U+202E⟩b⟨ESC⟩[2Jc\nd\te⟨U+200B⟩"
    assert revealed("größe ✓ 漢字") == "größe ✓ 漢字"


def test_a_drawing_keeps_nothing_that_acts() -> None:
    svg = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"
     onload="x()"><script>x()</script><style>*{}</style><a xlink:href="javascript:x()"><text>in a link</text></a>
     <foreignObject><b/></foreignObject><image href="http://e.example/x.png"/>
     <path d="M0.123456,1L2,3" fill="url(http://e.example)" style="fill:red" stroke="var(--ink)"/></svg>"""
    text = cleaned(svg)
    for bad in ("script", "style", "link", "javascript", "foreign", "image", "example", "onload"):
        assert bad not in text, bad
    assert 'd="M0.12,1L2,3"' in text and 'stroke="var(--ink)"' in text


@pytest.mark.parametrize(
    "bad", ["", "<html/>", "<svg>", '<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>']
)
def test_what_is_no_drawing_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="not an SVG"):
        cleaned(bad)


@pytest.mark.parametrize(("low", "high"), [(0.95, 16.2), (0.99, 1.01), (0.2, 1.0), (1.0, 1.08), (0.5, 900.0)])
def test_axes_have_a_few_round_numbers(low: float, high: float) -> None:
    ticks = round_ratios(low, high)
    assert 2 <= len(ticks) <= 9 and all(low <= tick <= high for tick in ticks) and 1.0 in ticks


def test_a_session_becomes_a_conversation() -> None:
    at = ["2026-11-21T04:00:00+00:00", "2026-11-21T04:01:05+00:00"]
    call = ToolCall(id="c1", name="shell", arguments='{"command": "ls -la"}')
    told, turn, end = readable(
        [
            Prompted(at=at[0], text="Make it faster."),
            TurnTaken(at=at[1], step=1, seconds=2, turn=ModelTurn(text="A look.", tool_calls=[call])),
            ToolEnded(
                at=at[1],
                step=1,
                seconds=0.1,
                result=ToolResult(call_id="c1", name="shell", output="[exit code 1, 0.1 s]\nno", is_error=True),
            ),
            Ended(
                at=at[1], ended="gave_up", detail="no idea", steps=1, bad_calls=0, usage=Usage(), usd=0.0, seconds=65.0
            ),
        ]
    )
    assert told.kind == "told" and (turn.clock, turn.step, turn.text) == ("1:05", 1, "A look.")
    [made] = turn.calls
    assert (made.name, made.summary, made.failed, made.outcome) == ("shell", "ls -la", True, "exit code 1, 0.1 s")
    assert end.text == "gave up: no idea"


def test_what_a_measurement_came_to_is_its_mean() -> None:
    answer = "Advisory timing:\n  a  base 1 us\nGeometric mean: 1.69x [1.58, 1.80] from 6 sessions.\n[left: 5 steps]"
    assert outcome("measure", answer) == "Geometric mean: 1.69x [1.58, 1.80] from 6 sessions."
    assert outcome("run_tests", "FAILED a: b\n3 tests passed, 1 failed.\nWRONG OUTPUT: x") == "WRONG OUTPUT: x"


def _roofed(floor_us: float | None) -> Verdict:
    judged = verdict()
    floors = [each.model_copy(update={"floor_us": floor_us}) for each in judged.workloads]
    return judged.model_copy(update={"workloads": floors})


def test_a_roofline_in_reach_is_drawn_and_one_far_off_is_told() -> None:
    # The workloads are 1234.5 and 98.76 us on the base, and at most 10x as fast: 35x is near.
    near = workload_chart("a", _roofed(50.0))
    assert near is not None and "Ticks: the roofline" in near.note and "roofline: 24.7x" in near.wide
    far = workload_chart("a", _roofed(0.01))
    assert far is not None and "beyond this axis for 2 workloads, at 9876x to >9999x" in far.note
    assert "roofline" not in far.wide
    none = workload_chart("a", _roofed(None))
    assert none is not None and "roofline" not in none.note + none.wide
