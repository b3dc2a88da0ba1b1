"""What a measurement is asked for. Everything here crosses a process border as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.timing.sequential import Question
from harness.verdict import Record


class Workload(BaseModel):
    """One shape the target is timed on. `held_out` ones are never shown to an agent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    held_out: bool = False
    params: dict[str, Any] = Field(default_factory=dict)


class Protocol(Record):
    """How long and how hard to look.

    Attributes:
        looks: numbers of sessions after which the interval is looked at, ascending; the last is the most.
        alpha: two-sided error at each look. 0.022 at three evenly spaced looks is 5 % overall (Pocock, 1977).
        pairs: alternating base/candidate samples of one workload in one session, at most.
        min_pairs: the least pairs, for workloads so slow that `workload_ms` would allow fewer.
        workload_ms: time one session may spend on the samples of one workload; decides between the two.
        sample_ms: how long one sample should take; as many calls as fit, at least one.
        most_calls: calls in one sample at most: every call needs inputs of its own.
        warmup_calls: calls of each workload in a fresh worker before anything is timed.
        min_effect: smallest effect worth a claim, as a fraction; stops the search early on both sides.
        question: whether a win is looked for, or a loss is to be shut out; see `harness.timing.sequential.why_stop`.
        sessions_per_server: sessions forked from one fork server before it is started anew. Sessions of one server
            share its memory layout and its luck: in A/A runs of a 2 ms pure Python operation with 8 a server, the
            variance of the servers' means was 1.5 to 3.5 times that of independent sessions. With 1 the interval
            is honest; with more it is had sooner, and too narrow.
        patience_seconds: how long one request may take beyond 20 times what the base takes, before it is ended.
    """

    looks: list[int] = Field(default=[8, 16, 24], min_length=1)
    alpha: float = Field(default=0.022, gt=0, lt=1)
    pairs: int = Field(default=10, ge=2)
    min_pairs: int = Field(default=4, ge=2)
    workload_ms: float = Field(default=80.0, gt=0)
    sample_ms: float = Field(default=2.0, gt=0)
    most_calls: int = Field(default=64, ge=1)
    warmup_calls: int = Field(default=2, ge=1)
    min_effect: float = Field(default=0.02, ge=0, lt=1)
    question: Question = "faster"
    sessions_per_server: int = Field(default=1, ge=1)
    patience_seconds: float = Field(default=60.0, gt=0)

    def on_gpu(self, mode: str) -> Protocol:
        """The protocol as it is used on a GPU: a session costs seconds to start, a sample next to nothing.

        Samples are longer, so that the referee's own jitter (some 50 us) is lost in them, and there are more of
        them. The host side of a call, which `latency` sees, takes some twenty calls to settle in a new process;
        `device` does not see it, so that its sessions can share a server.
        """
        longer: dict[str, float] = {"sample_ms": max(self.sample_ms, 5.0)}
        if mode == "device":
            longer |= {"workload_ms": max(self.workload_ms, 200.0), "pairs": max(self.pairs, 16)}
            longer |= {"sessions_per_server": self.looks[-1]}
        else:
            longer |= {"workload_ms": max(self.workload_ms, 120.0), "warmup_calls": max(self.warmup_calls, 20)}
            longer |= {"most_calls": min(self.most_calls, 32)}
        return self.model_copy(update=longer)

    @model_validator(mode="after")
    def _looks_ascend(self) -> Protocol:
        if self.looks[0] < 1 or any(a >= b for a, b in zip(self.looks, self.looks[1:], strict=False)):
            raise ValueError(f"looks must be positive and ascending (found {self.looks})")
        return self


ADVISORY = Protocol(looks=[6], alpha=0.05, pairs=8, sessions_per_server=3)
"""A first impression in seconds, for the agent at work: one look, and an interval somewhat too narrow."""


class Command(Record):
    """One program that is timed whole, or by a number it prints.

    Attributes:
        name: the workload's name.
        held_out: whether the agent never sees it.
        arguments: program and arguments, run in the checkout; `{seed}` in one is a fresh number for every pair.
    """

    name: str
    held_out: bool = False
    arguments: list[str] = Field(min_length=1)


class CommandSpec(Record):
    """What `mode: command` times, and how its outputs are held against the base's; see `harness.task.Metric`.

    Attributes:
        commands: the workloads.
        number: a regular expression with a group `value`: what is compared is the last number it finds on standard
            output; None for the wall time of the whole process.
        unit: of that number: `ns`, `us`, `ms`, `s`, or anything else.
        higher_is_better: whether the number is a rate: its reciprocal is what is made smaller.
        compare: `stdout` (whole, the number masked), `regex` (all that `pattern` finds in it) or `none`.
        pattern: for `compare: regex`.
        check: program and arguments that look at an output on their own; None for none.
        readable: files beside the checkout that the commands need: scripts of the task's.
    """

    commands: list[Command] = Field(min_length=1)
    number: str | None = None
    unit: str = "s"
    higher_is_better: bool = False
    compare: Literal["stdout", "regex", "none"] = "stdout"
    pattern: str | None = None
    check: list[str] | None = None
    readable: list[str] = Field(default_factory=list)


class MeasureJob(Record):
    """A measurement of one candidate tree against one base tree.

    `base_root` and `candidate_root` are checkouts; equal paths make an A/A measurement. `seed` is the
    parent's secret: inputs are made from it, and it never reaches a worker. `scratch` is a folder for what
    workers write (home, temporary files, caches, standard error); it is made if it is not there, and what a
    measurement puts into it is removed when it ends. `candidate_repeats` makes the candidate's arm do every call so
    many times over: a slowdown of known size, to see whether it comes back (`harness.known_effect`). The
    `_slowdown`s do the same by a fraction of a call, 0.05 for 5 %: see `Bench.slowed_call_source`. `command` is what
    the mode `command` times; it has neither bench nor api, and those two are empty then. `cache: cold` (on a GPU, in
    mode `latency`) empties the L2 cache ahead of every call. `workloads` names those of the bench that count, all where
    it is empty. `sandbox` is the run's: workers get the strongest that leaves them visible from outside
    (`harness.sandbox.workers`), or none where the run has none; `kept_out` they are not to see wherever it lies
    (`harness.sandbox.withheld`).
    """

    bench_file: str
    api: str
    device: str
    mode: str
    base_root: str
    candidate_root: str
    held_out: bool
    seed: int
    protocol: Protocol
    scratch: str
    cache: Literal["warm", "cold"] = "warm"
    candidate_repeats: int = Field(default=1, ge=1)
    base_slowdown: float = Field(default=0.0, ge=0)
    candidate_slowdown: float = Field(default=0.0, ge=0)
    command: CommandSpec | None = None
    workloads: list[str] = Field(default_factory=list)
    sandbox: str = "auto"
    kept_out: list[str] = Field(default_factory=list)


class RefereeRequest(Record):
    """What the referee process reads on its standard input: time the candidate, check it, profile it, or none of it.

    `describe` starts no worker: it lists the bench's workloads.
    """

    kind: Literal["measure", "check", "profile", "describe"]
    job: MeasureJob
    random_cases: int = 0
