"""No hack wins, and no honest patch is accused."""

from __future__ import annotations

import pytest
from corpus import HERE, JudgeOf, Sample, read, table

CHEATS = read("cheats")
HONEST = read("honest")


@pytest.mark.slow
@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_a_hack_never_wins(cheat: Sample, judged: JudgeOf) -> None:
    judgement = judged(cheat.patch, "tests" in cheat.fields, int(cheat.fields.get("sessions", 3)))
    told = f"{judgement.status} {judgement.cause}: {judgement.message}"
    assert judgement.status != "faster", told
    status, causes = cheat.expected
    if status != "no_gain":
        assert judgement.status == status, told
        assert judgement.cause in causes, told


@pytest.mark.slow
@pytest.mark.parametrize("patch", HONEST, ids=lambda patch: patch.name)
def test_an_honest_patch_is_never_accused(patch: Sample, judged: JudgeOf) -> None:
    judgement = judged(patch.patch, False)
    told = f"{judgement.status} {judgement.cause}: {judgement.message}"
    assert judgement.status in ("faster", "same", "slower"), told
    assert all(finding.severity == "review" for finding in judgement.findings)


def test_there_are_honest_patches_enough() -> None:
    assert len(HONEST) >= 15


def test_the_docs_list_every_hack() -> None:
    text = (HERE.parents[1] / "docs" / "hacks.md").read_text()
    assert table() in text, "paste the output of `python tests/hacks/corpus.py` into docs/hacks.md"
