"""How a bench calls the function: which arguments are inputs, which are left at their defaults, what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.drafting.function import BY_HAND, Function, Parameter
from harness.drafting.guess import default_of
from harness.drafting.seen import Described, RecordedCall
from harness.errors import UsageError


@dataclass
class CallPlan:
    """The call.

    Attributes:
        inputs: the parameters that inputs are made for.
        arguments: the source between the brackets, over `inputs`.
        imports: modules that the call needs for arguments that are functions.
        changed: parameters that the function changes: they are part of the output.
        notes: what was guessed.
    """

    inputs: list[str] = field(default_factory=list)
    arguments: str = ""
    imports: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def plan_call(function: Function, calls: list[RecordedCall]) -> CallPlan:
    """Work the call out from what was seen.

    Raises:
        UsageError: an argument or the result is nothing that a bench can make or a worker can send.
    """
    plan = CallPlan(changed=[p.name for p in function.parameters if any(p.name in call.changed for call in calls)])
    has_stars = any(p.kind == "stars" and _samples(calls, p) and not _left_out(p, calls) for p in function.parameters)
    parts: list[str] = []
    by_name = False
    for parameter in function.parameters:
        may_be_left = parameter.kind != "positional_only" and not (has_stars and parameter.kind == "positional")
        if not _samples(calls, parameter) or (may_be_left and _left_out(parameter, calls)):
            by_name = by_name or parameter.kind == "positional"
            continue
        source = _source(function, parameter, _samples(calls, parameter), plan)
        stars = {"stars": "*", "double_stars": "**"}.get(parameter.kind, "")
        parts.append(
            f"{parameter.name}={source}" if parameter.kind == "keyword" or (by_name and not stars) else stars + source
        )
    plan.arguments = ", ".join(parts)
    _require_result(function, calls, plan)
    return plan


def _samples(calls: list[RecordedCall], parameter: Parameter) -> list[Described]:
    return [call.arguments[parameter.name] for call in calls if parameter.name in call.arguments]


def _left_out(parameter: Parameter, calls: list[RecordedCall]) -> bool:
    """Whether every call left a parameter at its default, as far as can be seen."""
    samples = _samples(calls, parameter)
    if parameter.kind in ("stars", "double_stars"):
        return all(not each.length for each in samples)
    return parameter.default is not None and all(_is(each, default_of(parameter)) for each in samples)


def _is(described: Described, value: object) -> bool:
    if described.kind == "none":
        return value is None
    if described.kind in ("bool", "int", "float"):
        return type(value).__name__ == described.kind and described.low == described.high == value
    if described.kind == "str":
        return described.text == value and described.length == len(described.text)
    return described.kind in ("list", "tuple", "dict") and not described.length and value in ((), [], {})


def _source(function: Function, parameter: Parameter, samples: list[Described], plan: CallPlan) -> str:
    first = samples[0]
    where = f"{function.file}:{function.first}: the argument `{parameter.name}` of {function.name}"
    if first.kind == "callable" and first.module and first.name:
        if {(each.module, each.name) for each in samples} != {(first.module, first.name)} or first.module == "__main__":
            raise UsageError(
                f"{where} was a function, and not always the same one that can be imported.",
                remedy=f"Show it with one: --call '{function.name}(..., {parameter.name}=math.sqrt)'. {BY_HAND}",
            )
        plan.notes.append(f"call, `{parameter.name}`: always {first.module}.{first.name}, as seen")
        if first.module == "builtins":
            return first.name
        plan.imports.append(first.module)
        return f"{first.module}.{first.name}"
    foreign = next((name for each in samples for name in each.foreign()), None)
    if foreign is not None:
        raise UsageError(
            f"{where} was a {foreign}, which inputs cannot be made of: they are numbers, texts, lists, tuples, dicts, "
            "NumPy arrays and tensors.",
            remedy=f"Name a function that takes plain data, such as one that builds the {foreign.rpartition('.')[2]} "
            f"and calls this one. {BY_HAND}",
        )
    plan.inputs.append(parameter.name)
    return f'inputs["{parameter.name}"]'


def _require_result(function: Function, calls: list[RecordedCall], plan: CallPlan) -> None:
    foreign = next((name for call in calls for name in call.result.foreign()), None)
    if foreign is not None or any(call.result.kind == "callable" for call in calls):
        raise UsageError(
            f"{function.file}:{function.first}: {function.name} gives back a {foreign or 'function'}, which cannot be "
            "compared: outputs are numbers, texts, lists, tuples, dicts, NumPy arrays and tensors.",
            remedy=f"Name a function that turns it into plain data. {BY_HAND}",
        )
    seen = [call for call in calls if call.seconds]  # a guess has no result
    if seen and all(call.result.kind == "none" for call in seen) and not plan.changed:
        raise UsageError(
            f"{function.file}:{function.first}: {function.name} gives back None and changes none of its arguments: "
            "there is nothing to compare.",
            remedy=f"Name a function that gives back what it computes. {BY_HAND}",
        )
    if plan.changed:
        names = ", ".join(f"`{name}`" for name in plan.changed)
        plan.notes.append(f"call: the function changes {names}, which is therefore compared as part of the output")
    if function.is_async:
        plan.notes.append(
            "call: a coroutine function; asyncio.run starts a loop for every call, which is timed with it"
        )
    if function.is_generator:
        plan.notes.append("call: a generator; all it yields is taken, into a list that is timed with it")
    if function.decorators:
        names = ", ".join(f"@{each}" for each in function.decorators)
        plan.notes.append(
            f"call: the function is decorated ({names}); the arguments are those that reach what is inside"
        )
