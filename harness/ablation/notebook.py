"""The record of an ablation on disk: written after every trial, and gone on with where it is of the same making."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.ablation.records import Ablation
from harness.strict_json import strict_json
from harness.timing.machine import describe_device
from harness.whole_file import write_atomic

FILE = "ablation.json"
# What must be equal for a trial to mean the same.
_SAME = ("format", "task", "by", "sha256", "base_commit", "made_of", "parts")


class Notebook:
    """Keeps `ablation.json` up to date.

    Args:
        folder: where it is.
        record: what is known.

    Attributes:
        record: the same, as it grows.
    """

    def __init__(self, folder: Path, record: Ablation) -> None:
        self._file = folder / FILE
        self.record = record

    def note(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Ablation
        """Change the record, on disk too.

        Raises:
            StorageError: it cannot be written.
        """
        self.record = self.record.model_copy(update=changes)
        write_atomic(self._file, strict_json(self.record.model_dump(mode="json"), indent=1) + "\n")


def kept_record(folder: Path, wanted: Ablation) -> Ablation | None:
    """What an earlier call found that asked for the same; None where there is nothing to go on with.

    Trials that the infrastructure spoilt are left out, so that they are made again.
    """
    try:
        found = Ablation.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    if any(getattr(found, name) != getattr(wanted, name) for name in _SAME):
        return None
    if found.admission is None or describe_device(found.admission.device).name != found.admission.machine.name:
        return None
    trials = [trial for trial in found.trials if trial.status != "infra_failed"]
    spoilt = len(trials) != len(found.trials)
    more = found.limit_reached and wanted.limit > found.limit
    changes: dict[str, Any] = {"patch": wanted.patch, "limit": wanted.limit, "trials": trials}
    if spoilt or more:
        changes |= {"findings": [], "smallest": None, "notes": [], "limit_reached": False}
    return found.model_copy(update=changes)
