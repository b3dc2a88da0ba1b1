from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from agent_parts import FolderBench, recording, turn, update

from agent.budget import Limits, Prices
from agent.loop import AgentOutcome, run_agent
from agent.messages import Message, ModelTurn, ToolCall, ToolResult, ToolSpec, Usage, UserMessage
from agent.model import ContextOverflow, Model, ModelError
from agent.tokens import estimate_tokens, tool_tokens
from agent.trajectory import (
    ContextCompacted,
    Ended,
    LimitReached,
    Prompted,
    ToolEnded,
    ToolStarted,
    Trajectory,
    read_trajectory,
)

LIMITS = Limits(steps=20, seconds=60, usd=None, tokens=100_000)


class Scripted:
    """A model of the test's own: gives turns (or raises errors) in order and keeps what it was shown."""

    name = "scripted"

    def __init__(self, *answers: ModelTurn | Exception) -> None:
        self.answers = list(answers)
        self.shown: list[list[Message]] = []

    def complete(self, history: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelTurn:
        self.shown.append(list(history))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _call(name: str, arguments: str = "{}", usage: Usage | None = None) -> ModelTurn:
    return ModelTurn(tool_calls=[ToolCall(id="c", name=name, arguments=arguments)], usage=usage or Usage())


SUBMIT = _call("submit", '{"summary": "s"}')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trajectory.jsonl"


def _run(model: Model, bench: FolderBench, path: Path, limits: Limits = LIMITS, **options: object) -> AgentOutcome:
    with Trajectory(path) as record:
        return run_agent(model, bench, "make it fast", limits, record, **options)  # type: ignore[arg-type]


def _end(path: Path) -> Ended:
    last = list(read_trajectory(path))[-1]
    assert isinstance(last, Ended)
    return last


def test_a_recorded_session_is_really_carried_out(bench: FolderBench, path: Path, tmp_path: Path) -> None:
    model = recording(
        tmp_path / "r.jsonl",
        turn("shell", text="I look around.", command="cat a.py"),
        turn("apply_patch", patch=update("a.py", "-x = 1", "+x = 2")),
        turn("run_tests"),
        turn("measure"),
        turn("submit", summary="doubled x"),
    )
    steps: list[tuple[int, str, str]] = []
    outcome = _run(model, bench, path, on_step=lambda *step: steps.append(step))
    assert (outcome.ended, outcome.detail, outcome.steps) == ("submitted", "doubled x", 5)
    assert (outcome.usage, outcome.usd) == (Usage(), 0)
    assert (bench.root / "a.py").read_text() == "x = 2\n"
    assert steps == [
        (1, "shell", "cat a.py"),
        (2, "apply_patch", "a.py"),
        (3, "run_tests", ""),
        (4, "measure", ""),
        (5, "submit", "doubled x"),
    ]
    events = list(read_trajectory(path))
    assert [event.event for event in events] == ["prompt", *["turn", "tool_call", "tool_result"] * 5, "end"]
    seen = next(event for event in events if isinstance(event, ToolEnded))
    assert "x = 1" in seen.result.output
    assert "[left: 19 steps, " in seen.result.output


def test_a_replay_whose_patch_does_not_fit_stops(bench: FolderBench, path: Path, tmp_path: Path) -> None:
    model = recording(
        tmp_path / "r.jsonl",
        turn("apply_patch", patch=update("a.py", "-x = 9", "+x = 2")),
        turn("submit", summary="pretending"),
    )
    outcome = _run(model, bench, path)
    assert outcome.ended == "model_error"
    assert "turn 1: apply_patch failed" in outcome.detail
    assert not outcome.retryable


def test_a_replay_goes_on_after_an_error_it_knows(bench: FolderBench, path: Path, tmp_path: Path) -> None:
    model = recording(
        tmp_path / "r.jsonl", turn("shell", command="grep nothing a.py", fails=True), turn("submit", summary="s")
    )
    assert _run(model, bench, path).ended == "submitted"


def test_a_bad_call_is_answered_and_the_session_goes_on(bench: FolderBench, path: Path) -> None:
    model = Scripted(_call("shell", "{"), _call("nope"), SUBMIT)
    assert _run(model, bench, path).ended == "submitted"
    answers = [message for message in model.shown[-1] if isinstance(message, ToolResult)]
    assert [answer.is_error for answer in answers] == [True, True]
    assert _end(path).bad_calls == 2


def test_several_calls_of_a_turn_are_all_answered_and_nothing_runs_after_submit(bench: FolderBench, path: Path) -> None:
    calls = [
        ToolCall(id="1", name="shell", arguments='{"command": "touch one"}'),
        ToolCall(id="2", name="submit", arguments='{"summary": "s"}'),
        ToolCall(id="3", name="shell", arguments='{"command": "touch two"}'),
    ]
    assert _run(Scripted(ModelTurn(tool_calls=calls)), bench, path).ended == "submitted"
    assert (bench.root / "one").exists()
    assert not (bench.root / "two").exists()


def test_a_model_that_only_talks_is_reminded_twice(bench: FolderBench, path: Path) -> None:
    model = Scripted(*[ModelTurn(text="I am done.")] * 3)
    outcome = _run(model, bench, path)
    assert (outcome.ended, outcome.detail, outcome.steps) == ("gave_up", "I am done.", 3)
    last = model.shown[-1][-1]
    assert isinstance(last, UserMessage)
    assert "call submit" in last.text
    assert sum(isinstance(event, Prompted) for event in read_trajectory(path)) == 3


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        (Limits(steps=2, seconds=60, usd=None, tokens=10**9), "steps"),
        (Limits(steps=99, seconds=60, usd=None, tokens=9_000), "tokens"),
        (Limits(steps=99, seconds=60, usd=0.05, tokens=10**9), "usd"),
        (Limits(steps=99, seconds=0.2, usd=None, tokens=10**9), "seconds"),
    ],
)
def test_every_limit_ends_it_and_leaves_the_tree(bench: FolderBench, path: Path, limits: Limits, kind: str) -> None:
    work = _call("shell", '{"command": "echo y >> a.py; sleep 0.1"}', Usage(input=3_000, output=1_000))
    outcome = _run(Scripted(*[work] * 9), bench, path, limits, prices=Prices(10, 1, 10))
    assert outcome.ended == "limit"
    assert 1 <= outcome.steps < 9
    assert outcome.usage == Usage(input=3_000 * outcome.steps, output=1_000 * outcome.steps)
    assert (bench.root / "a.py").read_text().count("y\n") == outcome.steps
    limit = next(event for event in read_trajectory(path) if isinstance(event, LimitReached))
    assert limit.kind == kind


def test_a_command_does_not_outlast_the_agents_time(bench: FolderBench, path: Path) -> None:
    start = time.monotonic()
    model = Scripted(_call("shell", '{"command": "sleep 60"}'))
    outcome = _run(model, bench, path, Limits(steps=9, seconds=0.5, usd=None, tokens=10**6))
    assert outcome.ended == "limit"
    assert time.monotonic() - start < 5


def test_a_failing_model_ends_it_with_its_bill(bench: FolderBench, path: Path) -> None:
    error = ModelError("the endpoint is gone", retryable=True, usage=Usage(input=70))
    outcome = _run(Scripted(_call("measure", usage=Usage(input=30)), error), bench, path)
    assert (outcome.ended, outcome.detail, outcome.retryable) == ("model_error", "the endpoint is gone", True)
    assert outcome.usage == Usage(input=100)
    assert outcome.usd is None
    assert _end(path).usage == Usage(input=100)


def test_ctrl_c_passes_through_and_the_record_is_kept(bench: FolderBench, path: Path) -> None:
    def interrupt() -> str:
        raise KeyboardInterrupt

    bench.measure_report = interrupt
    with pytest.raises(KeyboardInterrupt):
        _run(Scripted(_call("measure")), bench, path)
    assert _end(path).ended == "interrupted"
    assert any(isinstance(event, ToolStarted) for event in read_trajectory(path))


def test_a_long_session_is_shown_short_with_a_ledger_and_recorded_whole(bench: FolderBench, path: Path) -> None:
    talk = _call("shell", '{"command": "seq 1 1000"}')
    model = Scripted(_call("measure"), *[talk] * 30, SUBMIT)
    limits = Limits(steps=99, seconds=60, usd=None, tokens=10**9)
    assert _run(model, bench, path, limits, context_tokens=12_000).ended == "submitted"
    shown = model.shown[-1]
    assert any(isinstance(message, ToolResult) and "characters dropped;" in message.output for message in shown)
    note = shown[1]
    assert isinstance(note, UserMessage)
    assert "Best measured so far: 1.25x [1.20, 1.30]" in note.text
    room = [event for event in read_trajectory(path) if isinstance(event, ContextCompacted)]
    assert {event.how for event in room} == {"outputs"}
    assert all(event.tokens_after < event.tokens_before for event in room)
    recorded = [event for event in read_trajectory(path) if isinstance(event, ToolEnded)]
    assert sum("500" in event.result.output for event in recorded) == 30


def test_a_step_costs_little_and_a_long_session_stays_so(bench: FolderBench, path: Path) -> None:
    bench.measure_report = lambda: "r" * 2000
    start = time.monotonic()
    outcome = _run(
        Scripted(*[_call("measure")] * 200, SUBMIT),
        bench,
        path,
        Limits(steps=999, seconds=60, usd=None, tokens=10**9),
        context_tokens=20_000,
    )
    assert outcome.ended == "submitted"
    assert (time.monotonic() - start) / 201 < 0.02


class Forgetful:
    """A model that writes long turns, reads long outputs and summarises when asked. Counts what it is sent."""

    name = "forgetful"

    def __init__(self, steps: int, summary: ModelTurn | Exception) -> None:
        self.left = steps
        self.summary = summary
        self.sizes: list[int] = []
        self.views: list[list[Message]] = []
        self.summaries = 0

    def complete(self, history: Sequence[Message], tools: Sequence[ToolSpec]) -> ModelTurn:
        self.sizes.append(estimate_tokens(history) + tool_tokens(tools))
        last = history[-1]
        if isinstance(last, UserMessage) and "Do not call a tool now" in last.text:
            self.summaries += 1
            if isinstance(self.summary, Exception):
                raise self.summary
            return self.summary
        self.views.append(list(history))
        self.left -= 1
        if self.left == 0:
            return SUBMIT
        name, arguments = ("measure", "{}") if self.left % 10 == 0 else ("shell", '{"command": "seq 1 300"}')
        turn = _call(name, arguments, Usage(input=100, output=400))
        call = turn.tool_calls[0].model_copy(update={"id": f"c{self.left}"})
        return turn.model_copy(update={"text": "Thinking. " * 150, "tool_calls": [call]})


MANY = Limits(steps=999, seconds=300, usd=None, tokens=10**9)


@pytest.mark.parametrize(
    "summary",
    [
        ModelTurn(text="I found that the loop is slow. " * 2000, usage=Usage(input=7, output=3)),
        ModelError("no", retryable=False, usage=Usage(input=7, output=3)),
        ModelTurn(usage=Usage(input=7, output=3)),
    ],
    ids=["a summary far too long", "no summary", "an empty summary"],
)
def test_200_steps_in_a_small_context_get_somewhere(
    bench: FolderBench, path: Path, summary: ModelTurn | ModelError
) -> None:
    reports = iter(range(100, 1000))
    bench.measure_report = lambda: f"Mean: {next(reports) / 100:.2f}x [1.00, 9.99]"
    model = Forgetful(200, summary)
    outcome = _run(model, bench, path, MANY, context_tokens=8_000)
    assert (outcome.ended, len(model.views)) == ("submitted", 200)
    assert max(model.sizes) <= 8_000
    room = [event for event in read_trajectory(path) if isinstance(event, ContextCompacted)]
    good = isinstance(summary, ModelTurn) and bool(summary.text)
    assert {event.how for event in room} <= {"outputs", "summary" if good else "turns"}
    assert sum(event.how != "outputs" for event in room) == model.summaries > 0
    # No spiral: between two rounds there are always a few steps of work, and nothing measured is forgotten.
    steps = [event.step for event in room]
    assert min(after - before for before, after in pairwise(steps)) >= 3
    assert "1.18x" in room[-1].note
    assert ("the loop is slow" in room[-1].note) is good
    assert outcome.steps == 200 + model.summaries
    assert outcome.usage == Usage(input=199 * 100 + 7 * model.summaries, output=199 * 400 + 3 * model.summaries)
    for view in model.views:
        asked = [call.id for message in view if isinstance(message, ModelTurn) for call in message.tool_calls]
        answered = [message.call_id for message in view if isinstance(message, ToolResult)]
        assert asked == answered


def test_a_request_that_is_too_long_is_made_shorter_and_asked_once_more(bench: FolderBench, path: Path) -> None:
    long = [_call("shell", '{"command": "seq 1 2000"}')] * 8
    model = Scripted(*long, ContextOverflow("too long", window=12_000), ModelTurn(text="summary"), SUBMIT)
    assert _run(model, bench, path, MANY).ended == "submitted"
    refused, asked, taken = (estimate_tokens(shown) for shown in model.shown[-3:])
    assert taken < asked <= 0.8 * 12_000 < refused
    [room] = [event for event in read_trajectory(path) if isinstance(event, ContextCompacted)]
    assert (room.how, room.limit) == ("summary", 9_600)


def test_a_model_that_refuses_the_short_request_too_ends_it(bench: FolderBench, path: Path) -> None:
    refusal = ContextOverflow("too long", usage=Usage(input=1))
    long = [_call("shell", '{"command": "seq 1 4000"}')] * 8
    model = Scripted(*long, refusal, refusal, refusal)
    outcome = _run(model, bench, path, MANY)
    assert (outcome.ended, outcome.retryable) == ("model_error", False)
    assert "too long" in outcome.detail


def test_a_context_too_small_for_the_prompt_is_said(bench: FolderBench, path: Path) -> None:
    outcome = _run(Scripted(), bench, path, MANY, context_tokens=1_000)
    assert outcome.ended == "model_error"
    assert "--context" in outcome.detail


def test_importing_the_loop_imports_nothing_heavy() -> None:
    code = (
        "import sys, agent.loop, agent.openai_model;"
        "print([m for m in ('openai', 'torch', 'scipy', 'numpy', 'harness') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    printed = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"
