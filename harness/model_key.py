"""The model's key: read once, kept in memory, and out of reach of everything the harness starts.

A process inherits its parent's environment, and shows the one it was started with in `/proc`. So the key is taken out
of the environment before anything is started, and wiped where the kernel looks it up.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping

VARIABLE = "OPENAI_API_KEY"
# Credentials of whatever else: none of it is needed by what the harness starts.
_SECRET = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)

_taken: list[str] = []


def take_model_key() -> None:
    """Move the key from the environment into this process's memory. Call it once, before anything is started."""
    key = os.environ.get(VARIABLE)
    if key:
        _taken[:] = [key]
        _wipe()
        del os.environ[VARIABLE]


def hold_model_key(key: str) -> None:
    """Hold a key that came from somewhere else than the environment."""
    _taken[:] = [key]


def model_key() -> str | None:
    """The key, wherever it is by now; None where there is none."""
    return os.environ.get(VARIABLE) or (_taken[0] if _taken else None)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without anything whose name says that it is a credential."""
    return {name: value for name, value in environment.items() if not _SECRET.search(name)}


def _wipe() -> None:
    """Overwrite the value in place: `/proc/PID/environ` shows the memory the process was started with, for ever."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    address = getenv(VARIABLE.encode())
    if address:
        length = len(ctypes.string_at(address))
        ctypes.memset(address, ord("x"), length)
