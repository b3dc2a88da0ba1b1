"""What `harness show` says of an attempt that was taken apart: a line for each way in which that was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from harness.ablation.asked import FOLDERS
from harness.ablation.notebook import FILE
from harness.ablation.records import Ablation
from harness.report.material import is_plain
from harness.store import AttemptFolder
from harness.text import counted, interval_text, safe

if TYPE_CHECKING:
    from rich.text import Text


def ablations(folder: AttemptFolder) -> list[Text]:
    """Which parts carry the gain, and what can be left out; empty where nobody has looked."""
    lines = []
    for by, name in FOLDERS.items():
        file = folder.path / name / FILE
        try:
            record = Ablation.model_validate_json(file.read_bytes()) if is_plain(file) else None
        except (OSError, ValidationError):
            continue
        if record is not None:
            lines.append(safe(f"ablation by {by}: {_in_words(record)}"))
    return lines


def _in_words(record: Ablation) -> str:
    smallest = record.smallest
    if smallest is None:
        return f"not finished, {counted(len(record.trials), 'variant')} tried of {counted(len(record.parts), 'part')}"
    said = []
    for outcome, words in (("carries", "carries the gain"), ("needed", "needed")):
        names = [finding.part.name for finding in record.findings if finding.outcome == outcome]
        said += [f"{words}: {', '.join(names)}"] if names else []
    if smallest.against_whole is not None:
        said.append(f"without {', '.join(smallest.left_out)} it is {interval_text(smallest.against_whole)} as fast")
    else:
        said.append("nothing can be left out")
    return "; ".join(said)
