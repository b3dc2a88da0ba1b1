"""The files a verdict rests on: if one of them changes while a patch is judged, there is no verdict."""

from __future__ import annotations

import site
import sysconfig
from pathlib import Path

from harness.errors import InfraFailed
from harness.fingerprint import Fingerprint
from harness.metric import trusted_scripts
from harness.task import LoadedTask

_PACKAGE = Path(__file__).resolve().parent
# Python runs these when it starts, in the referee too: code that can write them can be anyone.
_AT_START = ("*.pth", "sitecustomize.py", "usercustomize.py", "sitecustomize", "usercustomize")


class TrustedFiles:
    """The task's own files, this package, and what Python reads when it starts.

    Args:
        loaded: the task.
    """

    def __init__(self, loaded: LoadedTask) -> None:
        named = [*loaded.bench_files, loaded.hidden_tests, *trusted_scripts(loaded.task.metric, loaded.file.parent)]
        self._files = [loaded.file, *(path for path in named if path is not None)]
        self._before = self._take()

    def require_unchanged(self) -> None:
        """Look again.

        Raises:
            InfraFailed: a file is different, gone or new. Whose doing it was cannot be told from here.
        """
        now = self._take()
        different = [*self._before.changed(now), *self._before.added(now)]
        if different:
            raise InfraFailed(
                "trusted_files_changed",
                f"{different[0]} changed while the patch was being judged: nothing found since can be relied on.",
            )

    def _take(self) -> Fingerprint:
        return Fingerprint.of([*self._files, *_own_code(), *_startup_files()])


def _own_code() -> list[Path]:
    return [*_PACKAGE.rglob("*.py"), *(_PACKAGE.parent / "agent").rglob("*.py")]


def _startup_files() -> list[Path]:
    paths = sysconfig.get_paths()
    folders = {Path(paths[name]) for name in ("stdlib", "purelib", "platlib")}
    folders |= {Path(folder) for folder in (*site.getsitepackages(), site.getusersitepackages())}
    return sorted({file for folder in folders for pattern in _AT_START for file in folder.glob(pattern)})
