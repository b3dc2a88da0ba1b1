"""System calls that Python has no name for, each raising OSError as the standard library's do."""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
# Variadic, so every argument must be passed as wide as the kernel reads it.
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
_MNT_DETACH = 2

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
ATTR_RDONLY = 1
ATTR_NOSUID = 2
ATTR_NODEV = 4

# The same numbers on x86_64 and aarch64, as for every call that is newer than 2019.
_SYS_MOUNT_SETATTR = 442
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_LAST_CAPABILITY = 63
SIGKILL = 9
_SIGPIPE, _SIGCHLD, _SIGXFSZ = 13, 17, 25
# no setuid fix-up, no capabilities for root, no ambient ones; and each of these locked.
_SECUREBITS = 0b11101111


def _checked(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None, what: str) -> int:
    """Make a system call; integers go in as C longs, bytes as pointers."""
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _checked(int(_libc.syscall(ctypes.c_long(number), *wide)), what)


def _prctl(option: int, *arguments: int) -> int:
    wide = [ctypes.c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(int(_libc.prctl(ctypes.c_int(option), *wide)), f"prctl {option}")


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags` for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Attach a file system, bind a folder, or change one that is attached."""
    texts = [None if each is None else os.fsencode(each) for each in (source, target, kind, data)]
    _checked(_libc.mount(texts[0], texts[1], texts[2], flags, texts[3]), f"mount {target}")


def restrict_mount(target: str, attributes: int) -> None:
    """Set attributes (`ATTR_*`) on a mount and on every mount below it."""
    attr = attributes.to_bytes(8, "little") + bytes(24)
    try:
        syscall(
            _SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, attr, len(attr), what="mount_setattr"
        )
    except OSError:
        # Before Linux 5.12, and where the call is not there at all: this mount alone.
        mount("none", target, None, MS_REMOUNT | MS_BIND | attributes)


def pivot_into(new_root: str, *, old: str | None) -> None:
    """Make `new_root`, a mount point, the root; keep the old one at `old`, a folder below it, or nowhere."""
    os.chdir(new_root)
    put_old = b"." if old is None else os.fsencode(old)
    syscall(_SYS_PIVOT_ROOT[os.uname().machine], b".", put_old, what="pivot_root")
    if old is None:
        let_go_of(".")  # it is mounted over the new one
    os.chdir("/")


def let_go_of(mount_point: str) -> None:
    """Unmount a tree, also while it is in use."""
    _checked(_libc.umount2(os.fsencode(mount_point), _MNT_DETACH), f"umount {mount_point}")


def die_with_parent(signal_number: int = SIGKILL) -> None:
    """Have the kernel kill this process, or send it another signal, when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def default_signals() -> None:
    """Take back what Python's start, or whoever started us, has set to be ignored, which a command would inherit."""
    for number in (_SIGPIPE, _SIGCHLD, _SIGXFSZ):
        _libc.signal(number, None)


def hide_memory() -> None:
    """Nobody without privileges may trace this process, or read its environment, descriptors and memory."""
    _prctl(_PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def no_new_privileges() -> None:
    """From here on no program gains anything by being setuid."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Give up every capability, the way back to them, and what root gets for being root."""
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            _prctl(_PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the last one this kernel knows, or never had the right to
    for option, *arguments in ((_PR_SET_SECUREBITS, _SECUREBITS), (_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)):
        try:
            _prctl(option, *arguments)
        except OSError:
            continue  # without CAP_SETPCAP there is nothing to lock
    version_3 = 0x20080522
    header = version_3.to_bytes(4, "little") + bytes(4)
    syscall(_SYS_CAPSET[os.uname().machine], header, bytes(24), what="capset")
