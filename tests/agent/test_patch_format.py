from __future__ import annotations

import pytest
from agent_parts import update

from agent.patch_format import AddFile, DeleteFile, PatchError, UpdateFile, parse_patch


def test_reads_every_kind_of_change() -> None:
    patch = """*** Begin Patch
*** Add File: new.py
+one
+
+three
*** Delete File: old.py
*** Update File: a.py
*** Move to: b.py
@@ class A:
@@     def f(self):
 context
-gone
+come
*** End of File
*** End Patch
"""
    add, delete, change = parse_patch(patch)
    assert add == AddFile("new.py", "one\n\nthree\n")
    assert delete == DeleteFile("old.py")
    assert isinstance(change, UpdateFile)
    assert (change.path, change.moved_to) == ("a.py", "b.py")
    (hunk,) = change.hunks
    assert hunk.anchors == ("class A:", "    def f(self):")
    assert [(line.mark, line.text) for line in hunk.lines] == [(" ", "context"), ("-", "gone"), ("+", "come")]
    assert hunk.at_end


def test_numbers_of_a_unified_diff_are_not_an_anchor() -> None:
    (change,) = parse_patch(update("a", "@@ -1,2 +1,2 @@ def f():", "-x", "+y", "@@ -9 +9 @@", "-v", "+w"))
    assert isinstance(change, UpdateFile)
    assert [hunk.anchors for hunk in change.hunks] == [("def f():",), ()]


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ("", "starts with '*** Begin Patch'"),
        ("--- a\n+++ b", "starts with '*** Begin Patch'"),
        ("*** Begin Patch\n*** End Patch", "changes no file"),
        ("*** Begin Patch\n*** Update File: a\n-x\n+y", "does not end with '*** End Patch'"),
        ("*** Begin Patch\n*** Rename File: a\n*** End Patch", "line 2 of the patch: expected one of"),
        ("*** Begin Patch\n*** Update File: \n-x\n*** End Patch", "names no file"),
        ("*** Begin Patch\n*** Update File: a.py\n*** End Patch", "a.py: the update has no hunk"),
        ("*** Begin Patch\n*** Update File: a.py\n@@ f\n*** End Patch", "an anchor and no lines"),
        (
            "*** Begin Patch\n*** Update File: a.py\n x\n?y\n*** End Patch",
            "line 4 of the patch: a.py: a line of a hunk",
        ),
        ("*** Begin Patch\n*** Add File: a.py\n+x\ny\n*** End Patch", "every line of an added file starts with '+'"),
        ("*** Begin Patch\n*** Add File: a.py\n+x\n\n+y\n*** End Patch", "line 4 of the patch: every line"),
        ("*** Begin Patch\n*** Delete File: a\n*** End Patch\nmore", "text after '*** End Patch'"),
    ],
)
def test_what_is_not_a_patch_is_refused_with_its_line(patch: str, says: str) -> None:
    with pytest.raises(PatchError) as caught:
        parse_patch(patch)
    assert says in str(caught.value)


def test_blank_lines_around_and_windows_endings_do_not_matter() -> None:
    patch = "\n\n" + update("a", "-x", "+y") + "\n\n"
    assert parse_patch(patch.replace("\n", "\r\n"))[0] == parse_patch(patch)[0]
