"""The system call filter: a classic BPF program, put together here, that says what the kernel answers.

It refuses, and does not kill: a program that asks for what it may not have should see an error and go on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from .kernel import syscall
from .syscalls import (
    ABSENT,
    ABSENT_WITHOUT_NAMESPACES,
    CLONE,
    FORBIDDEN,
    FORBIDDEN_WITHOUT_NAMESPACES,
    IOCTL,
    MODES,
    OWN_PROCESS_ONLY,
    PERSONALITY,
    SIGACTION,
    SOCKET,
    UNSHARE,
    Numbers,
)

# Machine -> its column in the tables, AUDIT_ARCH_*, the number of seccomp(2).
_MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
_X32 = 0x40000000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15
_JUMP_GREATER_EQUAL = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

_SET_MODE_FILTER = 1
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
# CLONE_NEWTIME is left out: in clone(2) its bit belongs to the exit signal.
_NEW_NAMESPACES = 0x7E020000
_NEW_TIME = 0x80
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_QUERY = 0xFFFFFFFF
_SIGCHLD = 17
_ADDR_NO_RANDOMIZE = 0x0040000

Instruction = tuple[int, int, int, int]
Block = list[Instruction]


def _return(value: int) -> Instruction:
    return (_RETURN, 0, 0, value)


def _fail(number: int) -> Instruction:
    return _return(_ERRNO | number)


def _argument(index: int) -> Instruction:
    """Load the low half of an argument: all of these are 32-bit values. For little-endian machines."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _when(number: int | None, body: Block) -> Block:
    """`body` where the call is `number`. The body ends in a return, so what was loaded over is not needed again."""
    return [] if number is None else [(_JUMP_EQUAL, 0, len(body), number), *body]


def _any_of(values: tuple[int, ...], argument: int, *, otherwise: int) -> Block:
    """Allow where the low half of an argument is one of `values`; else fail with `otherwise`."""
    jumps = [(_JUMP_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [_argument(argument), *jumps, _fail(otherwise), _return(_ALLOW)]


def _none_of(values: tuple[int, ...], argument: int) -> Block:
    jumps = [(_JUMP_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [_argument(argument), *jumps, _return(_ALLOW), _fail(errno.EPERM)]


def _without_bits(bits: int, argument: int) -> Block:
    return [_argument(argument), (_JUMP_ANY_BIT, 0, 1, bits), _fail(errno.EPERM), _return(_ALLOW)]


def _only_with(values: tuple[tuple[int, int], ...]) -> Block:
    """Allow where each of these arguments has its value."""
    checks: Block = []
    for argument, value in values:
        checks += [_argument(argument), (_JUMP_EQUAL, 1, 0, value), _fail(errno.EPERM)]
    return [*checks, _return(_ALLOW)]


def _kept(signal: int) -> Block:
    """Let a signal's handling be asked for, and not be changed: the second argument, a pointer, must be null."""
    high = (_LOAD, 0, 0, 16 + 8 + 4)
    return [
        _argument(0),
        (_JUMP_EQUAL, 0, 5, signal),
        _argument(1),
        (_JUMP_EQUAL, 0, 2, 0),
        high,
        (_JUMP_EQUAL, 1, 0, 0),
        _fail(errno.EPERM),
        _return(_ALLOW),
    ]


def _sockets(*, isolated: bool, network: bool) -> Block:
    """Which sockets may be made. Pairs of them (`socketpair`) always may: they lead nowhere.

    In a network namespace of its own a command may have its private loopback. Without one, it gets no socket
    at all: through AF_UNIX it could talk to the machine's services, such as Docker's.
    """
    inet = (_AF_INET, _AF_INET6) if isolated or network else ()
    families = (*inet, *((_AF_UNIX,) if isolated else ()))
    # Of netlink only the routes (protocol 0), which name look-ups ask for.
    netlink = [
        (_JUMP_EQUAL, 0, 4, _AF_NETLINK),
        _argument(2),
        (_JUMP_EQUAL, 0, 1, 0),
        _return(_ALLOW),
        _fail(errno.EPROTONOSUPPORT),
    ]
    rest = _any_of(families, 0, otherwise=errno.EAFNOSUPPORT)[1:] if families else [_fail(errno.EACCES)]
    return [_argument(0), *(netlink if inet else []), *rest]


def program(machine: str, *, isolated: bool, network: bool, modes: bool = True, forgets: bool = True) -> Block:
    """The filter.

    Args:
        machine: `x86_64` or `aarch64`.
        isolated: whether mounts, process numbers and network are in namespaces of the command's own.
        network: whether it may reach the network.
        modes: whether it may change files' modes.
        forgets: whether it may have its ended children forgotten.
    """
    column, architecture, _ = _MACHINES[machine]

    def of(numbers: Numbers) -> int | None:
        return numbers[column]

    forbidden = FORBIDDEN | ({} if isolated else FORBIDDEN_WITHOUT_NAMESPACES) | ({} if modes else MODES)
    absent = ABSENT | ({} if isolated else ABSENT_WITHOUT_NAMESPACES)
    code: Block = [(_LOAD, 0, 0, 4), (_JUMP_EQUAL, 1, 0, architecture), _fail(errno.ENOSYS), (_LOAD, 0, 0, 0)]
    if machine == "x86_64":
        code += [(_JUMP_GREATER_EQUAL, 0, 1, _X32), _fail(errno.ENOSYS)]
    for numbers in forbidden.values():
        code += _when(of(numbers), [_fail(errno.EPERM)])
    for numbers in absent.values():
        code += _when(of(numbers), [_fail(errno.ENOSYS)])
    code += _when(of(CLONE), _without_bits(_NEW_NAMESPACES, 0))
    code += _when(of(UNSHARE), _without_bits(_NEW_NAMESPACES | _NEW_TIME, 0))
    code += _when(of(IOCTL), _none_of((_TIOCSTI, _TIOCLINUX), 1))
    code += _when(of(PERSONALITY), _any_of((0, _ADDR_NO_RANDOMIZE, _QUERY), 0, otherwise=errno.EPERM))
    code += _when(of(SOCKET), _sockets(isolated=isolated, network=network))
    if not forgets:
        code += _when(of(SIGACTION), _kept(_SIGCHLD))
    if not isolated:
        for numbers, values in OWN_PROCESS_ONLY.values():
            code += _when(of(numbers), _only_with(values))
    return [*code, _return(_ALLOW)]


def restrict(*, isolated: bool, network: bool, modes: bool = True, forgets: bool = True) -> None:
    """Put the filter on this process for good. Needs `no_new_privileges` first.

    Raises:
        OSError: the kernel has no such filters.
        KeyError: a machine whose system call numbers are not in the tables.
    """
    if sys.byteorder != "little":
        raise OSError(errno.ENOSYS, "the filter is written for little-endian machines")
    machine = os.uname().machine
    code = program(machine, isolated=isolated, network=network, modes=modes, forgets=forgets)
    filters = ctypes.create_string_buffer(
        b"".join(
            op.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little") for op, yes, no, value in code
        )
    )
    # struct sock_fprog: a 16-bit length, padding to a pointer's alignment, the pointer.
    described = len(code).to_bytes(8, "little") + ctypes.addressof(filters).to_bytes(8, "little")
    syscall(_MACHINES[machine][2], _SET_MODE_FILTER, 0, described, what="seccomp")
