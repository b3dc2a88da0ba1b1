"""The base of a run that goes on: checked out and built again, and believed to be what it was found to be."""

from __future__ import annotations

from pathlib import Path

from harness.admission import Base
from harness.build import build
from harness.errors import AdmissionError, BuildFailed
from harness.events import AdmissionStep, Emit, now
from harness.git import Repository
from harness.plan import Admission
from harness.task import LoadedTask


def readmit(loaded: LoadedTask, repository: Repository, root: Path, scratch: Path, kept: Admission, emit: Emit) -> Base:
    """Make the base again at `root` without testing and timing it anew: nothing it was made of has changed.

    Raises:
        AdmissionError: it does not build any more.
    """
    emit(AdmissionStep(at=now(), step="build", state="started"))
    repository.check_out(root)
    try:
        build(loaded.task.build, root, scratch / "build", scratch / "base-build.log")
    except BuildFailed as error:
        raise AdmissionError(
            f"The base does not build any more, and it did when the run began: {error.message}",
            remedy="Mend what it needs on this machine; then resume again.",
        ) from error
    emit(AdmissionStep(at=now(), step="build", state="passed", detail="tests and noise as when the run began"))
    return base_of(kept, repository, root)


def base_of(kept: Admission, repository: Repository, root: Path) -> Base:
    """The base as it was found to be; `root` is where it is checked out."""
    return Base(
        repository=repository,
        root=root,
        device=kept.device,
        expected=frozenset(kept.expected),
        noise=kept.noise,
        machine=kept.machine,
        shown=kept.shown,
    )
