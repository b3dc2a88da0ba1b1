"""`harness models`: what an endpoint offers, what it costs and how much it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.budget import Prices
from agent.openai_list import ListError, list_models
from agent.prices import CataloguePrices, look_up
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.network.endpoint import Endpoint
from harness.text import counted, printable

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class ListedModel:
    """A model of an endpoint.

    Attributes:
        name: what `-m` takes.
        prices: dollars for a million tokens; None where unknown.
        context_tokens: how many tokens it reads; None where unknown.
    """

    name: str
    prices: Prices | None
    context_tokens: int | None

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        prices = None
        if self.prices is not None:
            prices = {"input": self.prices.input, "cached": self.prices.cached, "output": self.prices.output}
        return {"id": self.name, "usd_per_million_tokens": prices, "context_tokens": self.context_tokens}


@dataclass(frozen=True)
class Listing:
    """What an endpoint offers."""

    url: str
    models: list[ListedModel]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"base_url": self.url, "models": [model.as_json() for model in self.models]}

    def render(self) -> Table:
        """For people."""
        from rich.table import Table  # noqa: PLC0415 - slow to import

        title = f"{counted(len(self.models), 'model')} at {printable(self.url)}"
        table = Table("model", title=title, title_justify="left")
        for column in ("context", "input", "cached", "output"):
            table.add_column(column, justify="right")
        for model in self.models:
            context = "" if model.context_tokens is None else f"{model.context_tokens:,}"
            prices = ["?"] * 3
            if model.prices is not None:
                prices = [f"${price:g}" for price in (model.prices.input, model.prices.cached, model.prices.output)]
            table.add_row(printable(model.name), context, *prices)
        table.caption = "Dollars for a million tokens, from price data that may be out of date; ? is unknown (--price)."
        return table


def list_endpoint(base_url: str | None) -> Listing:
    """Ask an endpoint what it offers.

    Raises:
        UsageError: there is no key, or it is refused.
        InfrastructureError: the endpoint cannot be reached, or does not list its models.
    """
    endpoint = Endpoint.from_environment(base_url)
    url = endpoint.base_url
    try:
        offered = list_models(base_url=url, api_key=endpoint.api_key)
    except ListError as error:
        raise _explained(error) from error
    models = []
    for each in offered:
        offer = look_up(each.name, url)
        prices = offer.pricing.per_million if isinstance(offer.pricing, CataloguePrices) else offer.pricing
        flat = prices if isinstance(prices, Prices) else None
        models.append(ListedModel(each.name, flat, each.context_tokens or offer.context_tokens))
    return Listing(url, models)


def _explained(error: ListError) -> HarnessError:
    message = printable(str(error), multiline=True)
    if error.problem == "key":
        return UsageError(message)
    if error.problem == "no_list":
        return InfrastructureError(message, remedy="A model can be named with -m all the same; ask whoever runs it.")
    return InfrastructureError(message, remedy="Is the server up, and is --base-url its address, with /v1 at the end?")
