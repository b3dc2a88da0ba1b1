"""Landlock: which files a process and its children may read, write and run, by the kernel's own word.

https://docs.kernel.org/userspace-api/landlock.html. What it has no say over: names and metadata of files
(stat), and modes, owners and times of files that belong to the same user.
"""

from __future__ import annotations

import os
import stat

from .kernel import syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = (1 << bit for bit in range(6, 13))
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_NET_BIND_TCP, _NET_CONNECT_TCP = 1, 2
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1, 2

READ = _EXECUTE | _READ_FILE | _READ_DIR
# Everything but making device nodes and driving devices.
WRITE = (
    READ
    | _WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SOCK
    | _MAKE_FIFO
    | _MAKE_SYM
    | _REFER
    | _TRUNCATE
)
DEVICE = _READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
# CUDA does not start where it cannot write its threads' names, to /proc/PID/task/TID/comm.
PROCESSES = READ | _WRITE_FILE | _TRUNCATE
# For the machine's /dev/shm, where there is no private one: make and use what one knows the name of, list nothing.
UNLISTED = _READ_FILE | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _REMOVE_FILE
LIST = _READ_DIR
_OF_FILES = _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV

Rule = tuple[str, int]


def version() -> int:
    """The kernel's Landlock version; 0 where it has none, or has it switched off."""
    try:
        return syscall(_CREATE_RULESET, 0, 0, _VERSION, what="landlock_create_ruleset")
    except OSError:
        return 0


def _handled(abi: int) -> int:
    every = (1 << 13) - 1
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        if abi >= since:
            every |= right
    return every


def restrict(rules: list[Rule], *, network: bool) -> None:
    """Allow this process what `rules` say and nothing else, for good. Needs `no_new_privileges` first.

    Args:
        rules: path and rights; rights on a folder hold for all below it. Paths that do not exist are passed over.
        network: whether it may open TCP connections; filtered from version 4 on.

    Raises:
        OSError: the kernel has no Landlock.
    """
    abi = version()
    handled = _handled(abi)
    net = _NET_BIND_TCP | _NET_CONNECT_TCP if abi >= 4 and not network else 0
    scoped = _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL if abi >= 6 else 0
    # An older kernel takes a longer struct only if what it does not know is zero.
    attributes = b"".join(each.to_bytes(8, "little") for each in (handled, net, scoped))
    ruleset = syscall(_CREATE_RULESET, attributes, len(attributes), 0, what="landlock_create_ruleset")
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & handled)
        syscall(_RESTRICT_SELF, ruleset, 0, what="landlock_restrict_self")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= _OF_FILES
        if rights:
            rule = rights.to_bytes(8, "little") + opened.to_bytes(4, "little")
            syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0, what="landlock_add_rule")
    finally:
        os.close(opened)


def around(folder: str, holes: list[str], rights: int) -> list[Rule]:
    """Rules that give `rights` on all of `folder` but the paths in `holes`.

    Rights cannot be taken back below a folder they were given on, so its entries get them one by one. Listing
    is left on the folder itself, or Python would find no module in it: names in a hole can be seen, not contents.
    """
    inside = [hole for hole in holes if hole.startswith(folder.rstrip("/") + "/")]
    if folder in holes:
        return []
    if not inside:
        return [(folder, rights)]
    rules = [(folder, rights & LIST)]
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if not os.path.islink(path):
            rules += around(path, inside, rights)
    return rules
