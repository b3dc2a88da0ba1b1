"""Start the server of the local pages, and say where it is."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from harness.errors import UsageError
from harness.view.guard import LOOPBACK_NAMES, is_loopback

TOKEN_VARIABLE = "HARNESS_VIEW_TOKEN"  # noqa: S105 - a variable's name


def serve(out: Path, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the runs in `out` until interrupted.

    Args:
        out: the folder that holds the runs.
        host: an address of this machine; any but loopback asks for a token, which `HARNESS_VIEW_TOKEN` gives or
            which is made up and printed.
        port: 0 for any that is free.
        say: prints a line.

    Raises:
        UsageError: nobody can listen there.
    """
    import uvicorn  # noqa: PLC0415 - slow to import

    from harness.view.library import Library  # noqa: PLC0415
    from harness.view.pages import make_app  # noqa: PLC0415

    token = os.environ.get(TOKEN_VARIABLE) or None
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    listener = _listen(host, port)
    bound = listener.getsockname()[1]
    app = make_app(Library(out), (*LOOPBACK_NAMES, host), token)
    shown = f"[{host}]" if ":" in host else host
    say(f"http://{shown}:{bound}/{f'?token={token}' if token else ''}")
    say(f"Shows the runs in {out}, and changes nothing. Ctrl-C ends it.")
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=1,  # a browser that follows a run never hangs up by itself
    )
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {host}: {error.strerror}.", remedy="Name an address of this machine."
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"Cannot listen on {host} port {port}: {error.strerror}.",
            remedy="Choose another with --port (0 takes any that is free).",
        ) from error
    return listener
