"""Proof that what is timed is the patch: nothing built beforehand, and a build that heeds the changed sources.

A fresh checkout holds no artefact, so a library in it is the build's work, unless the patch brought one along
where git does not look. And a build may do its work and still not use the patched sources: then its artefact is
the base's, section for section. An equal artefact alone proves nothing, for a comment changes none. So in that
case a mark is put into the changed sources and they are built once more: if the mark does not show, the build
does not read them.
"""

from __future__ import annotations

import contextlib
import hashlib
import stat
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from harness.build import build
from harness.errors import BuildFailed, InfraFailed, Rejected
from harness.folders import walk
from harness.git import Repository, run_git
from harness.patch import Patch, apply

_C_FAMILY = (".c", ".cc", ".cpp", ".cxx", ".cu", ".h", ".hh", ".hpp", ".hxx", ".cuh")
_COMPILED = (*_C_FAMILY, ".rs", ".pyx", ".pxd", ".f", ".f90", ".zig", ".go", ".s", ".asm")
_LINKED = ("ET_DYN", "ET_EXEC")
# Harmless in a header that is included twice, and kept by the compiler although nothing reads it.
_MARK = """
#ifndef HARNESS_MARK
#define HARNESS_MARK
__attribute__((used)) static const char harness_mark[] = "harness: this source was built";
#endif
"""


def refuse_unseen_files(repository: Repository, checkout: Path) -> None:
    """A patched checkout, before its build, holds no file that a diff against the base would not show.

    Raises:
        Rejected: it does: the target's ignore rules hide what the patch wrote there.
    """
    with repository.index_over(checkout) as env:
        hidden = run_git(checkout, "ls-files", "--others", "--ignored", "--exclude-standard", "-z", env=env)
    names = sorted(filter(None, hidden.decode(errors="replace").split("\0")))
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise Rejected(
            "outside_target_files",
            f"The patch also writes {', '.join(names[:3])}{more}, which git ignores: it would be used and not seen.",
        )


def require_in_effect(
    repository: Repository, commands: list[str], base: Path, checkout: Path, patch: Patch, scratch: Path
) -> None:
    """The build's artefacts come from the patched sources.

    Args:
        repository: the judge's.
        commands: the task's build commands; without any there is nothing to prove.
        base: the base's checkout, built.
        checkout: the patched checkout, built.
        patch: what was changed; a patch that touches no compiled source of the base's passes. One that only adds
            sources which nothing builds is timed as what it is: no change, and no fault of the build's.
        scratch: a private folder; the marked sources are built in it where that is needed.

    Raises:
        InfraFailed: `patch_not_in_effect`: the build leaves no artefact, or the one it leaves is the base's
            whatever the sources hold.
    """
    sources = [name for name in patch.files if name.endswith(_COMPILED) and (base / name).is_file()]
    if not commands or not sources:
        return
    ours = linked_artefacts(checkout)
    if not ours:
        raise _not_in_effect(sources, "and the build left no linked artefact in the checkout")
    theirs = linked_artefacts(base)
    if _changed(ours, theirs):
        return
    marked = [name for name in sources if name.endswith(_C_FAMILY)]
    if not marked:
        raise _not_in_effect(sources, f"and the build gave the base's own {', '.join(ours)}")
    if not _changed(_build_marked(repository, commands, patch, marked, scratch), theirs):
        raise _not_in_effect(sources, f"but whatever they hold, the build gives the base's own {', '.join(ours)}")


def _changed(ours: dict[str, str], theirs: dict[str, str]) -> bool:
    """Whether some library is another than the base's, in every place where the build left a copy of it.

    A build may keep one copy for itself (setuptools does, below build/) and another that is imported: if only the
    first is new, the second is stale.
    """
    by_name: dict[str, list[bool]] = {}
    for path, digest in ours.items():
        by_name.setdefault(Path(path).name, []).append(theirs.get(path) != digest)
    return any(all(changed) for changed in by_name.values()) or not ours


def linked_artefacts(root: Path) -> dict[str, str]:
    """Shared libraries and programs below `root`: relative path -> digest of what is loaded of them.

    Debug information and the build id, which hold the folder's name, play no part: equal code is equal.
    """
    found = {}
    for path in sorted(folder / name for folder, _, names in walk(root) for name in names):
        with contextlib.suppress(OSError):  # what cannot be read cannot be loaded either
            if stat.S_ISREG(path.lstat().st_mode) and _is_elf(path) and (digest := _loaded_digest(path)) is not None:
                found[str(path.relative_to(root))] = digest
    return found


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _loaded_digest(path: Path) -> str | None:
    """SHA-256 over the sections that a process maps; None for what is not linked, such as an object file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            if elf["e_type"] not in _LINKED:
                return None
            for section in elf.iter_sections():
                if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section.name != ".note.gnu.build-id":
                    digest.update(f"{section.name}:{section['sh_size']}:".encode())
                    digest.update(section.data())
    except ELFError:
        digest.update(path.read_bytes())  # damaged, or of a kind we cannot read: equal bytes are equal all the same
    return digest.hexdigest()


def _build_marked(
    repository: Repository, commands: list[str], patch: Patch, marked: list[str], scratch: Path
) -> dict[str, str]:
    """Artefacts of the patched sources with a mark in them; none where they do not build, which is a sign too."""
    checkout = scratch / "marked"
    repository.check_out(checkout)
    diff = scratch / "marked.diff"
    diff.write_bytes(patch.text)
    apply(repository, diff, checkout)
    for name in marked:
        with (checkout / name).open("a", encoding="utf-8") as file:
            file.write(_MARK)
    try:
        build(commands, checkout, scratch / "marked-build", scratch / "marked.log")
    except BuildFailed:
        return {}
    return linked_artefacts(checkout)


def _not_in_effect(sources: list[str], what: str) -> InfraFailed:
    return InfraFailed(
        "patch_not_in_effect", f"The patch changes {', '.join(sources[:3])}, {what}. Look at the task's `build`."
    )
