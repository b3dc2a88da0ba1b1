"""Calls that are put off, joined, taken back and failed, with real threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import pytest

from harness.tool_service.inside.mcp_server import Tell, Work
from harness.tool_service.patience import Patience


class Worker:
    """Works on a call until it is let go; counts what it was asked for and what was taken back."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)
        self.go = threading.Event()
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.error: Exception | None = None

    def begin(self, name: str, _arguments: dict[str, Any], tell: Tell) -> Work:
        self.begun.append(name)

        def work() -> dict[str, Any]:
            tell("at it")
            assert self.go.wait(10)
            if self.error:
                raise self.error
            return {"text": f"{name} is done", "error": False}

        answer = self.pool.submit(work)

        def cancel() -> None:
            self.cancelled.append(name)
            answer.cancel()

        return Work(answer, cancel)


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.go.set()
    made.pool.shutdown()


def ask(patience: Patience, name: str = "judge") -> Work:
    return patience.begin(name, {}, lambda _: None)


def test_a_call_that_is_put_off_is_not_begun_anew(worker: Worker) -> None:
    patience = Patience(worker.begin, 0.2)
    for _ in range(2):
        assert ask(patience).answer.result(5)["text"].startswith("Not done yet, after ")
    worker.go.set()
    assert ask(patience).answer.result(5)["text"].startswith("judge is done")
    assert worker.begun == ["judge"]
    ask(patience).answer.result(5)
    assert worker.begun == ["judge", "judge"], "an answer is given once"


def test_an_answer_that_nobody_waited_for_says_how_old_it_is(worker: Worker) -> None:
    patience = Patience(worker.begin, 1.2)
    assert "(at it)" in ask(patience).answer.result(5)["text"]
    worker.go.set()
    done, note = ask(patience).answer.result(5)["text"].splitlines()
    assert done == "judge is done"
    assert note.startswith("(Of the files as they were ")


def test_work_ends_only_with_the_last_call_that_waits_for_it(worker: Worker) -> None:
    patience = Patience(worker.begin, 10)
    first, second = ask(patience), ask(patience)
    first.cancel()
    with pytest.raises(CancelledError):
        first.answer.result(5)
    assert worker.cancelled == []
    worker.go.set()
    assert second.answer.result(5)["text"] == "judge is done"
    second.cancel()
    assert worker.cancelled == [], "there is nothing to take back"


def test_what_was_taken_back_is_begun_anew_and_does_not_answer_for_it(worker: Worker) -> None:
    patience = Patience(worker.begin, 10)
    ask(patience, "measure")  # keeps the thread busy, so that the next has not begun when it is taken back
    taken_back = ask(patience)
    taken_back.cancel()
    assert worker.cancelled == ["judge"]
    again = ask(patience)
    worker.go.set()
    assert again.answer.result(5)["text"] == "judge is done"
    assert worker.begun == ["measure", "judge", "judge"]


def test_a_failure_is_told_to_whoever_asks_next(worker: Worker) -> None:
    patience = Patience(worker.begin, 0.2)
    worker.error = OSError("the disk is full")
    assert ask(patience).answer.result(5)["text"].startswith("Not done yet")
    worker.go.set()
    with pytest.raises(OSError, match="the disk is full"):
        ask(patience).answer.result(5)
    worker.error = None
    assert ask(patience).answer.result(5)["text"] == "judge is done"


def test_answers_under_contention_are_given_to_all(worker: Worker) -> None:
    worker.go.set()
    patience = Patience(worker.begin, 0.003)
    with ThreadPoolExecutor(16) as many:
        texts = list(many.map(lambda _: ask(patience).answer.result(5)["text"], range(2000)))
    assert {text.split(",")[0] for text in texts} <= {"judge is done", "Not done yet"}
    assert "judge is done" in texts
