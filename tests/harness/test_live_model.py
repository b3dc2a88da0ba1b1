"""What a live model costs and reads, and what is refused before anything is started."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from openai_server import Server, error, send_json
from tiny_task import TinyTask

from agent.budget import Prices
from agent.loop import CONTEXT_TOKENS
from agent.messages import Usage
from harness.errors import TaskError, UsageError
from harness.events import Event
from harness.limits import with_limits
from harness.live_model import LiveModel, LiveOptions, live_model
from harness.options import RunOptions
from harness.run import run_task
from harness.task import Task
from harness.task_file import load_task

# Known to nobody and of no one's own: nothing is asked of it by these tests, and it would not answer.
FAR = "https://llm.invalid/v1"
NEAR = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def task(tiny: TinyTask) -> Task:
    return load_task(str(tiny.file)).task


def live(task: Task, name: str = "m", url: str = NEAR, **options: object) -> LiveModel:
    return live_model(name, url, LiveOptions(**options), task)  # type: ignore[arg-type]


def test_an_unknown_price_is_refused_where_dollars_are_limited(task: Task) -> None:
    with pytest.raises(UsageError, match=r"price of m at https://llm.invalid/v1 is unknown") as refused:
        live(task, url=FAR)
    for way_out in ("--price", "`prices`", "--limit usd=none", "--allow-unknown-price"):
        assert way_out in str(refused.value)


def test_it_may_be_allowed_or_the_limit_lifted(task: Task) -> None:
    allowed = live(task, url=FAR, allow_unknown_price=True)
    assert allowed.pricing is None
    assert "not counted" in allowed.note
    unlimited = task.model_copy(update={"limits": task.limits.model_copy(update={"usd": None})})
    assert live(unlimited, url=FAR).pricing is None


@pytest.mark.parametrize(("price", "prices"), [("1.25,0.125,10", (1.25, 0.125, 10)), ("2, 8", (2, 2, 8))])
def test_a_price_by_hand_comes_first(task: Task, price: str, prices: tuple[float, float, float]) -> None:
    assert live(task, "gpt-5", price=price).pricing == Prices(*prices)


@pytest.mark.parametrize("price", ["", "1", "1,2,3,4", "free", "-1,0,1", "nan,0,1"])
def test_a_price_that_makes_no_sense_is_refused(task: Task, price: str) -> None:
    with pytest.raises(UsageError, match="not a price"):
        live(task, price=price)


def test_a_task_may_know_prices(tiny: TinyTask) -> None:
    tiny.edit_task("limits:", "prices: {m: {input: 1, output: 3}, n: {input: 1, cached: 0.5, output: 3}}\nlimits:")
    task = load_task(str(tiny.file)).task
    assert live(task, "m", FAR).pricing == Prices(1, 1, 3)
    assert live(task, "n", FAR).pricing == Prices(1, 0.5, 3)
    tiny.edit_task("cached: 0.5", "cachd: 0.5")
    with pytest.raises(TaskError, match="did you mean 'cached'"):
        load_task(str(tiny.file))


def test_a_model_at_home_is_free_and_one_from_afar_is_not(task: Task) -> None:
    home = live(task).pricing
    assert home is not None
    assert home.usd(Usage(input=10**6, output=10**6)) == 0
    passed_on = live(task, "gpt-5").pricing
    assert passed_on is not None
    assert passed_on.usd(Usage(input=10**6, output=10**6)) > 1


@pytest.mark.parametrize(
    ("name", "context", "shown"), [("m", None, CONTEXT_TOKENS), ("m", 10_000, 8_000), ("gpt-5", None, CONTEXT_TOKENS)]
)
def test_the_context_is_looked_up_or_given(task: Task, name: str, context: int | None, shown: int) -> None:
    assert live(task, name, context=context).context_tokens == shown


@pytest.mark.parametrize(("status", "refused"), [(401, True), (403, False), (404, False), (500, False)])
def test_a_key_that_is_refused_is_told_at_once(task: Task, status: int, refused: bool) -> None:
    server = Server([], models=error(status, "no"))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        if refused:
            with pytest.raises(UsageError, match="refuses the key"):
                live(task, url=server.url)
        else:
            assert live(task, url=server.url).context_tokens == CONTEXT_TOKENS
    finally:
        server.shutdown()
        server.server_close()


def test_how_much_a_model_reads_is_asked_of_its_endpoint(task: Task) -> None:
    listing = {"data": [{"id": "m", "max_model_len": 40_000}]}
    server = Server([], models=send_json(200, listing))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        assert live(task, url=server.url).context_tokens == 32_000
    finally:
        server.shutdown()
        server.server_close()


def test_a_run_is_refused_before_anything_is_built(tiny: TinyTask, tmp_path: Path) -> None:
    events: list[Event] = []
    options = RunOptions(
        task=str(tiny.file), model="m", base_url=FAR, out=tmp_path / "runs", worktrees=tmp_path / "worktrees"
    )
    with pytest.raises(UsageError, match="is unknown"):
        run_task(options, events.append)
    assert events == []
    assert list((tmp_path / "runs").iterdir()) == []
    assert list((tmp_path / "worktrees").iterdir()) == []


def test_the_key_is_in_no_words_of_it(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    assert "sk-planted" not in repr(live(task))


def test_limits_are_overridden_one_by_one(tiny: TinyTask) -> None:
    loaded = load_task(str(tiny.file))
    assert with_limits(loaded, ()) is loaded
    limits = with_limits(loaded, ("steps=7", "usd=none", "tokens=1_000", "seconds=2.5")).task.limits
    assert (limits.steps, limits.usd, limits.tokens, limits.seconds) == (7, None, 1000, 2.5)
    assert loaded.task.limits.steps == 20


@pytest.mark.parametrize("override", ["step=7", "steps", "steps=many", "steps=0", "usd=-1", "tokens=1.5", "usd=nan"])
def test_a_limit_that_makes_no_sense_is_refused(tiny: TinyTask, override: str) -> None:
    with pytest.raises(UsageError, match=f"--limit {override}"):
        with_limits(load_task(str(tiny.file)), (override,))
