"""`python -m harness.cluster.station`: the harness on a node, working for a run whose own process is elsewhere.

It reads messages on standard input and writes messages on standard output (`messages.py`). It owns one device, admits
the base there, and works on attempts in threads, as a run on one machine does. It belongs to nobody's process group
and is nobody's child: when its input ends, because it was told to stop, the run was killed or Ray is gone, it calls
off what is under way, removes its checkouts and ends. So a cluster that is torn down under a run is left clean.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from harness import __version__
from harness.admission import resolve_device
from harness.attempts import work_on
from harness.cluster.describe import described_elsewhere
from harness.cluster.identity import code_digest
from harness.cluster.messages import (
    Begin,
    Described,
    Finished,
    Hello,
    Key,
    Look,
    Message,
    Parcel,
    Prepare,
    Refused,
    Spending,
    Stop,
    decode,
    encode,
    read_frame,
    write_frame,
)
from harness.cluster.parcel import pack_attempt, unpack_attempt
from harness.cluster.shop import Shop, job_from, open_shop
from harness.errors import HarnessError
from harness.executor import STOP_SECONDS
from harness.model_key import hold_model_key, take_model_key
from harness.sandbox import current_sandbox, harden_self, use_sandbox
from harness.stopping import Stopped, stoppable
from harness.temporary import NODE_SPACES
from harness.workspace import clear, is_in_use, owner_of, workspace
from harness.worktree import remove_folder


class Station:
    """Does what it is told, answers when it has something to say.

    Args:
        out: takes messages, from any thread.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._asked_to_stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._prepare: Prepare | None = None
        self._shop: Shop | None = None

    def serve(self, source: IO[bytes]) -> None:
        """Work until told to stop, or until the input ends; leaves no process and no folder."""
        self.send(Hello(version=__version__, code=code_digest(), host=platform.node(), pid=os.getpid()))
        with ExitStack() as stack:
            try:
                while (frame := read_frame(source)) is not None:
                    message = decode(frame)
                    if isinstance(message, Stop):
                        break
                    self._take(message, stack)
            finally:
                self._end_threads()

    def send(self, message: Message) -> None:
        """Say something; to nobody, if nobody listens any more."""
        frame = encode(message)
        with self._lock:
            try:
                write_frame(self._out, frame)
            except BrokenPipeError:
                self._asked_to_stop.set()

    def _take(self, message: Message, stack: ExitStack) -> None:
        if isinstance(message, Look):
            self._start(lambda: self._look(message))
        elif isinstance(message, Key):
            hold_model_key(message.key)
        elif isinstance(message, Prepare):
            self._prepare = message
        elif isinstance(message, Parcel) and self._prepare is not None:
            space = stack.enter_context(workspace(_space(self._prepare.run)))
            prepare = self._prepare
            self._start(lambda: self._open(prepare, message.content, space))
        elif isinstance(message, Spending) and self._shop is not None:
            self._shop.budget.update(message)
        elif isinstance(message, Begin) and self._shop is not None:
            shop = self._shop
            self._start(lambda: self._work(shop, message))

    def _look(self, look: Look) -> None:
        use_sandbox(look.sandbox)  # type: ignore[arg-type]  # checked where it came from
        self.send(Described(device=described_elsewhere(resolve_device(look.device)), sandbox=current_sandbox().name))

    def _open(self, prepare: Prepare, content: bytes, space: Path) -> None:
        self._shop, ready = open_shop(prepare, content, space, self.send)
        self.send(ready)

    def _work(self, shop: Shop, begin: Begin) -> None:
        job = job_from(begin.job)
        folder = shop.setup.folder.attempt(job.slot.name)
        unpack_attempt(begin.files, shop.setup.folder)
        verdict = work_on(shop.setup, job)
        self.send(
            Finished(attempt=folder.name, verdict=verdict, files=pack_attempt(shop.setup.folder, folder.name)),
        )
        shop.budget.forget(folder.name)
        remove_folder(folder.path)

    def _start(self, work: Callable[[], None]) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        """One thread's work. What it cannot go on after ends the station: the run will look for another."""
        with stoppable(self._asked_to_stop):
            try:
                work()
            except Stopped:
                return
            except HarnessError as error:
                said = Refused(error=type(error).__name__, message=str(error.args[0]), remedy=error.remedy)
            except BaseException:
                said = Refused(error="Exception", message=traceback.format_exc())
            self.send(said)

    def _end_threads(self) -> None:
        """Call off what is under way. A thread that does not answer is given up: it ends with the process."""
        self._asked_to_stop.set()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _space(run: str) -> Path:
    """A new folder for a run's checkouts; what dead stations left beside it is removed."""
    spaces = Path(tempfile.gettempdir()) / NODE_SPACES
    spaces.mkdir(exist_ok=True)
    for each in spaces.iterdir():
        if owner_of(each) is not None and not is_in_use(each):
            clear(each)
    return spaces / f"{run}-{secrets.token_hex(4)}"


def main() -> None:
    """Become nobody's child, then serve."""
    if os.fork():
        # Ray kills the children of a worker that ends, and this one has a house to clean first.
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # Ray's workers block Ctrl-C, and what they start inherits that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    take_model_key()
    harden_self()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    out = os.fdopen(os.dup(1), "wb")
    source = os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    Station(out).serve(source)
    sys.stderr.flush()
    os._exit(0)  # a thread that was given up must not hold the process


if __name__ == "__main__":
    main()
