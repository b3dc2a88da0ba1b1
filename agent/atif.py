"""A session in the Agent Trajectory Interchange Format, ATIF v1.8, which Harbor and others read.

The format is described in Harbor's RFC 0001 (docs/rfcs/0001-trajectory-format.md of harbor-framework/harbor): a list of
steps by `user`, `agent` or `system`, each of the agent's with its tool calls and, as `observation`, what they gave. The
models below are the part of it that our sessions need, and refuse what the format refuses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.conversation import CallMade, Part, Said, Told, conversation
from agent.messages import ToolCall, Usage
from agent.tools import tool_specs
from agent.trajectory import ContextCompacted, Ended, LimitReached, TrajectoryEvent

VERSION: Literal["ATIF-v1.8"] = "ATIF-v1.8"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AtifAgent(_Model):
    """Who worked. `tool_definitions` are in the shape of OpenAI's function calling."""

    name: str
    version: str
    model_name: str | None = None
    tool_definitions: list[dict[str, Any]] | None = None


class AtifToolCall(_Model):
    """One call. `arguments` is empty where the model wrote none that parse; `extra` then holds what it wrote."""

    tool_call_id: str
    function_name: str
    arguments: dict[str, Any]
    extra: dict[str, Any] | None = None


class AtifResult(_Model):
    """What a call gave. `source_call_id` names a call of the same step."""

    source_call_id: str
    content: str
    extra: dict[str, Any] | None = None


class AtifObservation(_Model):
    """What the calls of a step gave."""

    results: list[AtifResult]


class AtifMetrics(_Model):
    """Tokens of one answer: `cached_tokens` are part of `prompt_tokens`."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    extra: dict[str, Any] | None = None


class AtifStep(_Model):
    """One step; the first has the number 1. What only an agent has is None in steps of others."""

    step_id: int = Field(ge=1)
    timestamp: str | None = None
    source: Literal["system", "user", "agent"]
    message: str
    reasoning_content: str | None = None
    tool_calls: list[AtifToolCall] | None = None
    observation: AtifObservation | None = None
    metrics: AtifMetrics | None = None
    llm_call_count: int | None = None
    extra: dict[str, Any] | None = None


class AtifFinalMetrics(_Model):
    """Sums over the session; None where they are not known."""

    total_prompt_tokens: int | None = None
    total_completion_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_cost_usd: float | None = None
    total_steps: int
    extra: dict[str, Any] | None = None


class AtifTrajectory(_Model):
    """A whole session."""

    schema_version: Literal["ATIF-v1.8"] = VERSION
    session_id: str
    agent: AtifAgent
    steps: list[AtifStep] = Field(min_length=1)
    notes: str | None = None
    final_metrics: AtifFinalMetrics
    extra: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not known is left out, as the format wants it."""
        return self.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True)
class SessionFacts:
    """What a trajectory does not say of itself.

    Attributes:
        session_id: names the session, such as RUN/ATTEMPT.
        agent: who worked; `version` is the agent's, or the harness's for agents of ours.
        model: the model behind it, if there was one.
        own_tools: whether the agent was offered the loop's tools, which are then listed.
        notes: one text for people.
        extra: facts for programs: the task, the verdict.
    """

    session_id: str
    agent: str
    version: str
    model: str | None = None
    own_tools: bool = True
    notes: str | None = None
    extra: dict[str, Any] | None = None


def to_atif(events: Iterable[TrajectoryEvent], facts: SessionFacts) -> AtifTrajectory:
    """The session in ATIF. One of our steps is one answer of the model with all its calls, and so is one of ATIF's.

    Raises:
        ValueError: the session is empty: the format has no place for it.
    """
    parts = conversation(events)
    steps = [_step(number, part) for number, part in enumerate((p for p in parts if not isinstance(p, Ended)), 1)]
    end = next((part for part in reversed(parts) if isinstance(part, Ended)), None)
    if not steps:
        raise ValueError("nothing happened in this session, and ATIF needs a step")
    return AtifTrajectory(
        session_id=facts.session_id,
        agent=AtifAgent(
            name=facts.agent,
            version=facts.version,
            model_name=facts.model,
            tool_definitions=_definitions() if facts.own_tools else None,
        ),
        steps=steps,
        notes=facts.notes,
        final_metrics=_final(parts, end, len(steps)),
        extra=facts.extra,
    )


def _step(number: int, part: Part) -> AtifStep:
    match part:
        case Told():
            return AtifStep(step_id=number, timestamp=part.at or None, source="user", message=part.text)
        case Said():
            return _answer(number, part)
        case ContextCompacted():
            extra = {"kind": "compaction", "how": part.how, "before": part.tokens_before, "after": part.tokens_after}
            return AtifStep(step_id=number, timestamp=part.at or None, source="system", message=part.note, extra=extra)
        case LimitReached():
            text = f"The limit of {part.limit:g} {part.kind} was reached (used: {part.value:g})."
            extra = {"kind": "limit", "limit": part.kind}
            return AtifStep(step_id=number, timestamp=part.at or None, source="system", message=text, extra=extra)
    raise AssertionError(part)


def _answer(number: int, said: Said) -> AtifStep:
    results = [_result(made, made.result.output, made.result.is_error) for made in said.calls if made.result]
    return AtifStep(
        step_id=number,
        timestamp=said.at or None,
        source="agent",
        message=said.turn.text,
        reasoning_content=said.reasoning or None,
        tool_calls=[_call(made.call) for made in said.calls] or None,
        observation=AtifObservation(results=results) if results else None,
        metrics=_metrics(said.turn.usage),
        llm_call_count=1,
        extra={"seconds": round(said.seconds, 3)},
    )


def _call(call: ToolCall) -> AtifToolCall:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if isinstance(arguments, dict):
        return AtifToolCall(tool_call_id=call.id, function_name=call.name, arguments=arguments)
    return AtifToolCall(
        tool_call_id=call.id, function_name=call.name, arguments={}, extra={"raw_arguments": call.arguments}
    )


def _result(made: CallMade, output: str, failed: bool) -> AtifResult:
    return AtifResult(
        source_call_id=made.call.id, content=output, extra={"is_error": failed, "seconds": round(made.seconds, 3)}
    )


def _metrics(usage: Usage) -> AtifMetrics | None:
    if usage == Usage():
        return None
    return AtifMetrics(
        prompt_tokens=usage.input,
        completion_tokens=usage.output,
        cached_tokens=usage.cached,
        extra={"reasoning_tokens": usage.reasoning, "estimated_tokens": usage.estimated},
    )


def _final(parts: Sequence[Part], end: Ended | None, steps: int) -> AtifFinalMetrics:
    used = end.usage if end else sum((part.turn.usage for part in parts if isinstance(part, Said)), Usage())
    known = used != Usage()
    extra = {"ended": end.ended, "seconds": round(end.seconds, 3), "bad_calls": end.bad_calls} if end else None
    return AtifFinalMetrics(
        total_prompt_tokens=used.input if known else None,
        total_completion_tokens=used.output if known else None,
        total_cached_tokens=used.cached if known else None,
        total_cost_usd=end.usd if end else None,
        total_steps=steps,
        extra=extra,
    )


def _definitions() -> list[dict[str, Any]]:
    return [{"type": "function", "function": spec.model_dump()} for spec in tool_specs()]
