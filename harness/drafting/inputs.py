"""From calls that were seen to the source of `make_inputs`: random inputs like those, of any size.

A guess by nature. What is guessed is what one can see from outside: types, ranges, order, and that lengths which were
equal belong together. Every guess leaves a note, and the notes are what `harness check` asks about.
"""

from __future__ import annotations

from collections import Counter

from harness.drafting.expressions import LEAST_SIZE, Plan, Writer
from harness.drafting.seen import RecordedCall

_LEAST_LINKED = 4


def plan_inputs(calls: list[RecordedCall], names: list[str]) -> Plan:
    """Work out expressions for the parameters `names` from calls, of which the largest says the sizes."""
    ordered = sorted(calls, key=lambda call: (-call.elements(), -call.seconds))
    largest = ordered[0]
    sizes = [size for name in names for size in largest.arguments[name].sizes()]
    largest_size = max(sizes, default=0)
    # Borders of n parts are n + 1: what is said more often is the size.
    near = Counter(size for size in sizes if size >= largest_size - 1)
    plan = Plan(size=max(near, key=lambda size: (near[size], size), default=0))
    if plan.size < 2:
        numbers = {
            name: int(largest.arguments[name].high or 0) for name in names if largest.arguments[name].kind == "int"
        }
        name = max(numbers, key=lambda each: numbers[each], default=None)
        if name is not None and numbers[name] >= LEAST_SIZE:
            plan.size, plan.by_number = numbers[name], name
            plan.notes.append(
                f"make_inputs: nothing that is given has a length, so the number `{name}` was taken for the size; "
                "it is drawn from the eighth below it, so that inputs differ"
            )
    linked = _linked(calls, names)
    for name in names:
        samples = [call.arguments[name] for call in ordered if name in call.arguments]
        plan.expressions[name] = Writer(plan, name, linked).top(samples)
    _note_fixed(plan)
    return plan


def _linked(calls: list[RecordedCall], names: list[str]) -> set[str]:
    """Whole numbers that were a length of something given beside them, in every call."""
    found = set()
    for name in names:
        given = [call.arguments[name] for call in calls if name in call.arguments]
        if given and all(each.kind == "int" for each in given):
            lengths = [{size for other in names for size in call.arguments[other].sizes()} for call in calls]
            values = [int(each.high or 0) for each in given]
            if (
                all(value in some for value, some in zip(values, lengths, strict=False))
                and min(values) >= _LEAST_LINKED
            ):
                found.add(name)
    return found


def _note_fixed(plan: Plan) -> None:
    if not any("rng." in each for each in plan.expressions.values()):
        plan.notes.append(
            "make_inputs: every input came out as a constant. A call that is given the same again and again can be "
            "answered from memory: draw something"
        )
