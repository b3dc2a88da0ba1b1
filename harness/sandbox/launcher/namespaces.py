"""Namespaces: process numbers, files, network, shared memory and host name of the command's own."""

from __future__ import annotations

import _socket
import fcntl
import os

from . import kernel
from .limits import write
from .root import enter
from .spec import Limits, View

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def enter_and_fork(view: View, limits: Limits, *, network: bool) -> None:
    """Return in a grandchild that lives in namespaces of its own; the callers in between never return.

    The process that was started waits outside and ends with the command's exit code. Its child is process 1 of
    the new namespace: when it ends, the kernel kills all that is left inside, whatever it did to get away.

    Raises:
        OSError: the kernel does not allow such namespaces.
    """
    folder = os.getcwd()
    user, group = os.getuid(), os.getgid()
    flags = kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    flags |= kernel.CLONE_NEWCGROUP | (0 if network else kernel.CLONE_NEWNET)
    try:
        kernel.unshare(flags | kernel.CLONE_NEWUSER)
    except OSError:
        if user != 0:
            raise
        kernel.unshare(flags)  # root can do without, where user namespaces are switched off
    else:
        write("/proc/self/setgroups", "deny")
        if not (write("/proc/self/uid_map", f"{user} {user} 1") and write("/proc/self/gid_map", f"{group} {group} 1")):
            raise OSError("the user namespace's map could not be written")
    _fork_first(*os.pipe())
    # Process 1 from here on. Mounts are its own: who waits outside keeps the old root.
    kernel.unshare(kernel.CLONE_NEWNS)
    if not network:
        _loopback_up()
    enter(view, limits)
    child = os.fork()
    if child:
        _be_init(child)
    # It would be reached by signals to its old group, which has members outside.
    os.setsid()
    kernel.die_with_parent()
    os.chdir(folder)


def _fork_first(alive: int, proof: int) -> None:
    """Fork process 1, which returns. Its parent waits for it and exits as it does."""
    child = os.fork()
    if child:
        os.close(proof)
        # The reading end stays open: it is what tells the child that we live.
        let_go(keep=alive)
        exit_as(os.waitpid(child, 0)[1])
    os.close(alive)
    kernel.die_with_parent()
    try:
        os.write(proof, b"1")  # SIGPIPE is ignored by Python: with nobody to read, an error
    except OSError:
        os._exit(1)
    os.close(proof)


def _be_init(child: int) -> None:
    """Reap what is orphaned; end when the command does."""
    let_go()
    kernel.drop_capabilities()
    kernel.hide_memory()
    while True:
        pid, status = os.wait()
        if pid == child:
            exit_as(status)


def let_go(keep: int = -1) -> None:
    """Close what was inherited, or the other end of a pipe would never see its end."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != keep:
            try:
                os.close(int(name))
            except OSError:
                continue  # the one the listing itself was read through


def exit_as(status: int) -> None:
    """End with a child's exit code, or 128 and its signal, as shells and bubblewrap do."""
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _loopback_up() -> None:
    """A loopback that only the command's own processes share: tests of servers need one."""
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    # struct ifreq: 16 bytes of name, then a union that starts with 16 bits of flags.
    request = bytearray(b"lo".ljust(40, b"\0"))
    fcntl.ioctl(probe, _SIOCGIFFLAGS, request)
    request[16] |= _IFF_UP
    fcntl.ioctl(probe, _SIOCSIFFLAGS, request)
    probe.close()
