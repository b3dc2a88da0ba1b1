from __future__ import annotations

import difflib
import random

import pytest
from agent_parts import update

from agent.patch_format import PatchError, UpdateFile, parse_patch
from agent.patch_match import apply_hunks


def _apply(text: str, *lines: str) -> str:
    (change,) = parse_patch(update("f.py", *lines))
    assert isinstance(change, UpdateFile)
    return apply_hunks("f.py", text, change.hunks)


def _fails(text: str, *lines: str) -> str:
    with pytest.raises(PatchError) as caught:
        _apply(text, *lines)
    return str(caught.value)


def test_an_anchor_chooses_among_equal_lines() -> None:
    text = "def a():\n    return 1\n\ndef b():\n    return 1\n"
    assert _apply(text, "@@ def b():", "-    return 1", "+    return 2") == text[:-2] + "2\n"


def test_anchors_narrow_down_one_after_the_other() -> None:
    text = "class A:\n  def f():\n    1\nclass B:\n  def f():\n    1\n"
    assert _apply(text, "@@ class B:", "@@ def f():", "-    1", "+    2") == text[:-2] + "2\n"


def test_the_anchor_may_be_repeated_as_context() -> None:
    assert _apply("a\nb\nc\n", "@@ b", " b", "-c", "+d") == "a\nb\nd\n"


def test_additions_alone_go_after_the_anchor_or_to_the_end() -> None:
    assert _apply("a\nb\n", "@@ a", "+x") == "a\nx\nb\n"
    assert _apply("a\nb\n", "+x") == "a\nb\nx\n"
    assert _apply("a\nb", "+x") == "a\nb\nx\n"
    assert _apply("", "+x") == "x\n"


def test_end_of_file_means_the_last_place() -> None:
    assert _apply("x\ny\nx\n", "-x", "+z", "*** End of File") == "x\ny\nz\n"
    assert "says 'End of File'" in _fails("x\ny\n", "-x", "+z", "*** End of File")


def test_context_keeps_the_files_own_bytes_when_it_matches_only_loosely() -> None:
    assert _apply("a  \n\tb\nc\n", " a", " b", "-c", "+d") == "a  \n\tb\nd\n"
    assert _apply("x = \u201cq\u201d\ny\n", ' x = "q"', "-y", "+z") == "x = \u201cq\u201d\nz\n"


def test_an_exact_place_is_preferred_to_an_earlier_loose_one() -> None:
    assert _apply("  x\nx\n", "-x", "+y") == "  x\ny\n"


def test_windows_endings_stay() -> None:
    assert _apply("a\r\nb\r\n", " a", "-b", "+c", "+d") == "a\r\nc\r\nd\r\n"


def test_a_missing_last_newline_stays_missing() -> None:
    assert _apply("a\nb", "-a", "+c", " b") == "c\nb"


def test_an_empty_line_is_an_empty_context_line() -> None:
    assert _apply("a\n\nb\n", " a", "", "-b", "+c") == "a\n\nc\n"


def test_a_trailing_empty_line_may_be_layout() -> None:
    assert _apply("a\nb\n", "-a", "+c", "", "@@", "-b", "+d") == "c\nd\n"


def test_form_feeds_do_not_end_lines() -> None:
    assert _apply("a\x0cb\u2028c\nd\n", " a\x0cb\u2028c", "-d", "+e") == "a\x0cb\u2028c\ne\n"


def test_a_mismatch_names_the_furthest_place_and_both_lines() -> None:
    text = "one\ntwo\nnope\none\ntwo\nthree\nfour\n"
    message = _fails(text, " one", " two", " three", "-five", "+six")
    assert "f.py: hunk 1 (line 3 of the patch) does not fit" in message
    assert "furthest at line 4, where 3 of its 4 lines agree; then line 7 differs" in message
    assert "expected: five\n  found:    four" in message


def test_a_mismatch_past_the_end_says_so() -> None:
    assert "found:    (the end of the file)" in _fails("one\n", " one", "-two", "+x")


def test_a_first_line_that_is_nowhere_shows_the_most_similar() -> None:
    message = _fails("value = compute(x)\nother\n", "-value = compute(y)", "+v")
    assert "expected: value = compute(y)" in message
    assert "found:    value = compute(x)" in message
    assert "line 1, the most similar" in message


def test_hunks_out_of_order_are_told_so() -> None:
    assert "order of the file" in _fails("a\nb\nc\n", "-c", "+C", "@@", "-a", "+A")


def test_an_anchor_that_is_nowhere_is_named() -> None:
    message = _fails("def f():\n  x\n", "@@ def g():", "-  x", "+  y")
    assert "equals the anchor" in message
    assert "expected: def g():" in message


def _as_patch(old: list[str], new: list[str], context: int) -> list[str]:
    """The hunks of a difference, as a model would write them from a unified diff without the numbers."""
    lines = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(context):
        lines.append("@@")
        for kind, old_from, old_to, new_from, new_to in group:
            if kind == "equal":
                lines += [" " + line for line in old[old_from:old_to]]
            else:
                lines += ["-" + line for line in old[old_from:old_to]]
                lines += ["+" + line for line in new[new_from:new_to]]
    return lines


@pytest.mark.parametrize("seed", range(300))
def test_random_edits_come_out_as_they_were_meant(seed: int) -> None:
    rng = random.Random(seed)
    # Distinct lines, so that each place is the only one that fits; with the odd ones a parser could trip over.
    odd = ["", "   ", "\ttab", "@@ like an anchor", "*** Update File: like a header", "-minus", "+plus", "é \u2028 ü"]
    old = [f"{rng.choice(odd)} line {n}" for n in range(rng.randint(1, 60))]
    new = list(old)
    for n in range(rng.randint(1, 8)):
        at = rng.randrange(len(new) + 1)
        new[at : at + rng.randint(0, 3)] = [f"{rng.choice(odd)} new {n}.{k}" for k in range(rng.randint(0, 3))]
    if new == old:
        new.append("different")
    newline = rng.choice(["\n", "\r\n"])
    hunks = _as_patch(old, new, context=rng.randint(1, 4))
    if rng.random() < 0.3:
        hunks = [line.rstrip() if line.startswith(" ") and line.strip() else line for line in hunks]
    text = "".join(line + newline for line in old)
    assert _apply(text, *hunks) == "".join(line + newline for line in new)
