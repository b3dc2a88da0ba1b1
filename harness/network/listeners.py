"""Where the servers outside listen."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def unix_listener(folder: Path, name: str) -> Iterator[socket.socket]:
    """Listen on `folder/name`, for this user alone; removed afterwards. The path may be of any length."""
    server = socket.socket(socket.AF_UNIX)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        server.bind(f"/proc/self/fd/{opened}/{name}")
        (folder / name).chmod(0o600)
        server.listen(128)
        server.setblocking(False)
        yield server
    finally:
        server.close()
        os.close(opened)
        (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def tcp_listener(host: str) -> Iterator[socket.socket]:
    """Listen on a free port."""
    with socket.create_server((host, 0), backlog=128) as server:
        server.setblocking(False)
        # Connections inherit it; a reply in two parts would wait 40 ms for an acknowledgement in between.
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield server
