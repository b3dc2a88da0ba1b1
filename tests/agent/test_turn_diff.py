from __future__ import annotations

import pytest
from recorded_elsewhere import DIFF, SCRATCH

from agent.turn_diff import read_diff


def test_a_diff_ends_where_its_hunks_do() -> None:
    lines = ["before", *(SCRATCH + DIFF).rstrip("\n").split("\n"), "", "codex", "-- not of the diff"]
    files, end, whole = read_diff(lines, 1)
    assert whole and lines[end:] == ["codex", "-- not of the diff"]
    assert [file.path for file in files] == [".bench_scratch/time_it.py", "shop/cart.py"]
    # The log has lost the blank of the empty line of context; git wants it.
    assert files[1].text.endswith("+    return sum(prices)\n \n")


def test_two_hunks_no_newline_and_a_deleted_file() -> None:
    text = """\
diff --git a/a.py b/a.py
index 1..2 100644
--- a/a.py
+++ b/a.py
@@ -1 +1 @@
-x
\\ No newline at end of file
+y
\\ No newline at end of file
@@ -9,0 +10 @@
+z
diff --git a/gone.py b/gone.py
deleted file mode 100644
index 1..0
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-bye
@@ this is prose"""
    files, end, whole = read_diff(text.split("\n"), 0)
    assert whole and [file.path for file in files] == ["a.py", "gone.py"]
    assert files[0].text.count("No newline") == 2 and files[0].text.endswith("+z\n")
    assert text.split("\n")[end] == "@@ this is prose"


@pytest.mark.parametrize("cut", range(1, len((SCRATCH + DIFF).rstrip("\n").split("\n"))))
def test_a_diff_that_is_cut_off_is_not_whole(cut: int) -> None:
    lines = [*(SCRATCH + DIFF).rstrip("\n").split("\n"), ""]
    files, _, whole = read_diff(lines[:-cut], 0)
    # Cut between two files, or where a file has only its head, the rest cannot be missed.
    in_a_hunk = "@@" in "".join(lines[:-cut]) and not whole
    assert whole or in_a_hunk
    assert all("+++ " in file.text for file in files if "@@" in file.text)
