"""Answers within a client's patience: many give a tool a minute, and judging takes several."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

from harness.text import duration_text
from harness.tool_service.inside.mcp_server import Begin, Tell, Work


@dataclass
class _UnderWay:
    """Work whose answer nobody has been given yet.

    Attributes:
        said: the last word on how it goes.
        begun: monotonic time.
        waiting: how many calls wait for it now; none after each was put off.
    """

    tell: Tell
    work: Work = field(init=False)
    said: str = "begun"
    begun: float = field(default_factory=time.monotonic)
    waiting: int = 0

    def hear(self, text: str) -> None:
        """Keep the news, and pass them on to whoever asked last."""
        self.said = text
        self.tell(text)


class Patience:
    """Begins calls so that each is answered in time: with what came of it, or with a word to ask again.

    Asked again, the same call is not begun anew: its work has gone on, and the answer is given when it is there.
    Only when the last call that waits for it is taken back, the work is.

    Args:
        begin: what begins the work.
        seconds: the client's patience.
    """

    def __init__(self, begin: Begin, seconds: float) -> None:
        self._begin = begin
        self._seconds = seconds
        # Calls come from the server's thread, answers from the one that works, and time runs out in a third.
        self._lock = threading.Lock()
        self._under_way: dict[str, _UnderWay] = {}

    def begin(self, name: str, arguments: dict[str, Any], tell: Tell) -> Work:
        """See `inside.mcp_server.Begin`."""
        key = json.dumps([name, arguments], sort_keys=True)
        with self._lock:
            under_way = self._under_way.get(key)
            if under_way is None:
                under_way = self._under_way[key] = self._start(name, arguments, tell)
            else:
                under_way.tell = tell
            under_way.waiting += 1
        return self._await(key, name, under_way)

    def _start(self, name: str, arguments: dict[str, Any], tell: Tell) -> _UnderWay:
        under_way = _UnderWay(tell)
        under_way.work = self._begin(name, arguments, under_way.hear)
        return under_way

    def _await(self, key: str, name: str, under_way: _UnderWay) -> Work:
        answer: Future[dict[str, Any]] = Future()
        # From here on nobody else can cancel it between our look at it and our answer.
        answer.set_running_or_notify_cancel()
        began = time.monotonic()

        def give(work: Future[dict[str, Any]]) -> None:
            with self._lock:
                if answer.done():
                    return
                timer.cancel()
                under_way.waiting -= 1
                self._forget(key, under_way)
                if (error := work.exception()) is not None:
                    answer.set_exception(error)
                else:
                    answer.set_result(_dated(work.result(), began - under_way.begun))

        def put_off() -> None:
            with self._lock:
                if not answer.done():
                    under_way.waiting -= 1
                    answer.set_result({"text": _not_yet(name, under_way), "error": False})

        def cancel() -> None:
            with self._lock:
                if answer.done():
                    return
                timer.cancel()
                under_way.waiting -= 1
                answer.set_exception(CancelledError())
                if under_way.waiting:
                    return
                self._forget(key, under_way)
            # Not under the lock: work that had not begun ends here and now, and `give` is told.
            under_way.work.cancel()

        timer = threading.Timer(self._seconds, put_off)
        timer.daemon = True
        timer.start()
        under_way.work.answer.add_done_callback(give)
        return Work(answer, cancel)

    def _forget(self, key: str, under_way: _UnderWay) -> None:
        """Have the next such call begin anew, unless that has happened already."""
        if self._under_way.get(key) is under_way:
            del self._under_way[key]


def _not_yet(name: str, under_way: _UnderWay) -> str:
    passed = duration_text(time.monotonic() - under_way.begun)
    return (
        f"Not done yet, after {passed} ({under_way.said}). It goes on: call {name} again for what comes of it, and "
        "leave the files as they are until then."
    )


def _dated(answer: dict[str, Any], age: float) -> dict[str, Any]:
    if age < 1:
        return answer
    note = f"(Of the files as they were {duration_text(age)} before this call; if you changed them since, call again.)"
    return {**answer, "text": f"{answer['text']}\n{note}"}
