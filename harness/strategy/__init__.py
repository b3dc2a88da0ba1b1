"""Search strategies: what to try next, from what has been judged so far. One small file each.

A new one is a class with a `name` and a `brief` method (see `protocol.py`), its parameters as fields, and a place in
`STRATEGIES` and `AnyStrategy`.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.strategy.best_of_n import BestOfN
from harness.strategy.evolve import Evolve
from harness.strategy.keys import StrategyKeys
from harness.strategy.protocol import Member, Strategy
from harness.strategy.refine import Refine

STRATEGIES: dict[str, type[StrategyKeys]] = {"best-of-n": BestOfN, "refine": Refine, "evolve": Evolve}


def _named(given: Any) -> Any:  # noqa: ANN401 - whatever the file says; the models check it
    """`strategy: NAME` is short for `strategy: {name: NAME}`."""
    return {"name": given} if isinstance(given, str) else given


_Keys = Annotated[BestOfN | Refine | Evolve, Field(discriminator="name")]
_Names = Literal["best-of-n", "refine", "evolve"]
AnyStrategy = Annotated[_Keys, BeforeValidator(_named, json_schema_input_type=_Names | _Keys)]
_Adapter: TypeAdapter[Any] = TypeAdapter(AnyStrategy)

__all__ = ["STRATEGIES", "AnyStrategy", "Member", "Strategy", "strategy_for"]


def strategy_for(wanted: str | None, of_task: StrategyKeys) -> Strategy:
    """The strategy of a run.

    Args:
        wanted: what the command line says, `NAME` or `NAME:KEY=VALUE,...`; None for what the task says.
        of_task: the task's. Its parameters hold where the command line names the same strategy and not the parameter.

    Raises:
        UsageError: there is no such strategy, or it has no such parameter.
    """
    if wanted is None:
        return _Adapter.validate_python(of_task)  # type: ignore[no-any-return]
    name, _, parameters = wanted.partition(":")
    if name not in STRATEGIES:
        near = difflib.get_close_matches(name, STRATEGIES, n=1)
        guess = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"There is no strategy {name!r}.", remedy=f"There is: {', '.join(STRATEGIES)}.{guess}")
    given: dict[str, Any] = of_task.model_dump() if of_task.model_dump()["name"] == name else {"name": name}
    for pair in filter(None, parameters.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or key == "name":
            raise UsageError(f"--strategy {wanted}: {pair!r} is not KEY=VALUE.", remedy=_keys(name))
        given[key.strip()] = value.strip()
    try:
        return STRATEGIES[name].model_validate(given, strict=False)  # type: ignore[return-value]
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or name
        what = "there is no such parameter" if problem["type"] == "extra_forbidden" else problem["msg"]
        raise UsageError(f"--strategy {wanted}: {where}: {what}.", remedy=_keys(name)) from error


def _keys(name: str) -> str:
    keys = [key for key in STRATEGIES[name].model_fields if key != "name"]
    return f"{name} takes: {', '.join(keys)}." if keys else f"{name} takes no parameters."
