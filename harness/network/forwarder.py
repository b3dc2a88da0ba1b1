"""The inner end of the bridge: ports on the private loopback of a confined command lead to Unix sockets outside.

It runs inside the sandbox as `python -I -S forwarder.py FOLDER HOST:PORT:SOCKET... -- COMMAND...`: it listens, leaves a
process behind that forwards, and becomes COMMAND, whose exit code, signals, terminal and descriptors are therefore
its own. Standard library only and nothing of ours, so that it starts in a blink and needs nothing but itself.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time

CANNOT_BRIDGE = 125
_MOST_CONNECTIONS = 256
_CHUNK = 65_536
_LOOK_SECONDS = 0.2


def main(arguments: list[str]) -> None:
    """Bridge, then become the command. Never returns."""
    split = arguments.index("--")
    folder, *routes = arguments[:split]
    command = arguments[split + 1 :]
    try:
        listening = [(_listen(host, int(port)), name) for host, port, name in (route.split(":") for route in routes)]
        served = _leave_behind()
        if served is not None:
            _forward(folder, listening, served)
    except OSError as error:
        _end(CANNOT_BRIDGE, f"network bridge: {error}")
    for server, _ in listening:
        server.close()
    # Python ignores these from its start on, and a command would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - to become the command is what this is for
    except OSError as error:
        _end(127 if isinstance(error, FileNotFoundError) else 126, f"{command[0]}: {error.strerror}")


def _end(code: int, message: str) -> None:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()
    os._exit(code)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise OSError(error.errno, f"{host}:{port} inside the sandbox: {error.strerror}") from error


def _leave_behind() -> int | None:
    """None in the process that was started; its number in the one that is left to serve it.

    That one is nobody's child: a command that waits for all of its children must not wait for us.
    """
    served = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return None
    os.setsid()
    if os.fork():
        os._exit(0)
    return served


def _forward(folder: str, listening: list[tuple[socket.socket, str]], served: int) -> None:
    """Serve until the command ends. Never returns."""
    # The command's pipes must not be held open, and the folder's path may be longer than a socket's name may be.
    _let_go_of_all_but({server.fileno() for server, _ in listening})
    os.chdir(folder)
    room = threading.BoundedSemaphore(_MOST_CONNECTIONS)
    for server, name in listening:
        threading.Thread(target=_accept, args=(server, name, room), daemon=True).start()
    _wait_for(served)
    os._exit(0)


def _let_go_of_all_but(kept: set[int]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - pathlib would double the start
        if int(name) > 2 and int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                continue  # the one the listing itself was read through


def _wait_for(pid: int) -> None:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except OSError:
        # A kernel that does not have it.
        while os.path.exists(f"/proc/{pid}"):  # noqa: PTH110 - pathlib would double the start
            time.sleep(_LOOK_SECONDS)
        return
    select.select([watched], [], [])


def _accept(server: socket.socket, name: str, room: threading.BoundedSemaphore) -> None:
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a reply comes word by word
        room.acquire()
        try:
            threading.Thread(target=_serve, args=(connection, name, room), daemon=True).start()
        except RuntimeError:
            # The command has used up its share of threads: this connection is refused, the next may find room.
            connection.close()
            room.release()


def _serve(inner: socket.socket, name: str, room: threading.BoundedSemaphore) -> None:
    outer = socket.socket(socket.AF_UNIX)
    try:
        outer.connect(name)
        back = threading.Thread(target=_copy, args=(outer, inner), daemon=True)
        back.start()
        _copy(inner, outer)
        back.join()
    except (OSError, RuntimeError):
        pass  # closing both ends, below, is how the two sides are told
    finally:
        inner.close()
        outer.close()
        room.release()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes until there is no more, and then that there is no more."""
    try:
        while data := source.recv(_CHUNK):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone: the other must notice, and so must the thread that copies the other way.
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


if __name__ == "__main__":
    main(sys.argv[1:])
