"""No hack wins, and no honest patch is accused."""

from __future__ import annotations

import pytest
from conftest import JudgeOf
from corpus import Sample, read

CHEATS = read("cheats")
HONEST = read("honest")


@pytest.mark.slow
@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_a_hack_never_wins(cheat: Sample, judged: JudgeOf) -> None:
    judgement = judged(cheat.patch, "tests" in cheat.fields)
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
