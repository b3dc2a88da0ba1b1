"""Strangers' words in commit messages and Markdown: read, and without effect."""

from __future__ import annotations

import re

import pytest
from records import HOSTILE

from harness.merge.words import code, inert, item, quoted
from harness.text import fenced


def test_nothing_that_a_forge_or_a_terminal_acts_upon_is_left() -> None:
    text = "Fixes #12, GH-7, o/r#3, thanks @root, see https://e.example/issues/1 or www.e.example\x1b[31m\u202e"
    found = inert(text)
    assert found == ("Fixes # 12, GH - 7, o/r# 3, thanks @ root, see https: //e.example/issues/1 or www .e.example")
    assert "⟨U+200B⟩" in inert("a\u200bb")


def test_quoted_words_are_never_lines_of_the_message_itself() -> None:
    text = "---\ndiff --git a/x b/x\nIndex: x\nSigned-off-by: Eve <e@e.example>\n\nFrom 1234 Mon Sep 17 00:00:00 2001\n"
    lines = quoted(text + HOSTILE).splitlines()
    assert all(line.startswith(">") for line in lines)
    assert lines[0] == "> ---" and "> diff --git a/x b/x" in lines


@pytest.mark.parametrize("scissors", ["-- >8 --", "-- 8< --", "-->8--8<--", "- - >% - -", "%< ----"])
def test_no_scissors_are_left(scissors: str) -> None:
    assert not re.search(r">8|8<|>%|%<", quoted(scissors).replace("> ", "", 1))


def test_a_long_summary_is_cut_and_says_so() -> None:
    assert len(quoted("word " * 100_000).splitlines()) <= 60
    assert quoted("word " * 100_000).endswith("> [... the rest is left out]")
    assert quoted("a\nb") == "> a\n> b"


def test_items_wrap_behind_their_dash() -> None:
    lines = item("word " * 40).splitlines()
    assert lines[0].startswith("- word") and all(line.startswith("  word") for line in lines[1:])
    assert max(map(len, lines)) <= 76


def test_code_spans_cannot_be_left() -> None:
    found = code("`a` | <b> @x \n# c")
    assert found == "`'a' \\| <b> @ x  # c`"
    assert code("  ") == ""


def test_a_fence_is_longer_than_any_run_of_backticks() -> None:
    assert fenced("a\n````\nb").splitlines() == ["`````text", "a", "````", "b", "`````"]
