"""Where pip is configured to look for packages: its indexes, its folders, and whether it may ask anybody at all."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PYPI = "https://pypi.org/simple/"
# Later ones win, as in pip's own `pip download`.
_SECTIONS = ("global", "download", ":env:")
_SETTING = re.compile(r"""([^\s.=]+)\.([^\s.=]+)=(['"].*['"])""")
_NO = frozenset({"0", "n", "no", "f", "false", "off"})


@dataclass(frozen=True)
class PipSettings:
    """What of pip's configuration says where packages come from.

    Attributes:
        index_urls: package indexes, the first preferred; none where pip is told to do without (`no-index`).
        find_links: folders, files or pages to look for packages in, besides; folders that are not there are left
            out, as pip does.
        trusted_hosts: hosts that may be asked without TLS.
    """

    index_urls: tuple[str, ...]
    find_links: tuple[str, ...]
    trusted_hosts: tuple[str, ...]

    @property
    def places(self) -> str:
        """All places that are looked at, for people."""
        return ", ".join((*self.index_urls, *self.find_links)) or "nowhere: pip is told to use no index"


def pip_settings() -> PipSettings:
    """The settings that `pip download` would use here: its configuration files and its environment variables."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, timeout=60
    ).stdout
    return read_settings(listing.splitlines())


def read_settings(listing: Sequence[str]) -> PipSettings:
    """What the lines of `pip config list` say: `SECTION.OPTION='VALUE'`, quoted as Python quotes.

    A pip that is told to be verbose says more than that; it is passed over.
    """
    told: dict[tuple[str, str], str] = {}
    for line in listing:
        if setting := _SETTING.fullmatch(line):
            section, option, value = setting.groups()
            told[section, option] = str(ast.literal_eval(value))

    def words(option: str) -> list[str]:
        values = [told[section, option] for section in _SECTIONS if (section, option) in told]
        return values[-1].split() if values else []

    indexes = [*(words("index-url") or [PYPI]), *words("extra-index-url")]
    alone = any(word.lower() not in _NO for word in words("no-index"))
    folders = [str(Path(each).expanduser()) if "://" not in each else each for each in words("find-links")]
    return PipSettings(
        index_urls=() if alone else tuple(indexes),
        find_links=tuple(each for each in folders if "://" in each or Path(each).exists()),
        trusted_hosts=tuple(words("trusted-host")),
    )
