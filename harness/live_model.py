"""The model an agent asks: how to reach it, what it costs, how much it reads. Settled before anything is started."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.budget import Prices, Pricing
from agent.loop import CONTEXT_TOKENS
from agent.model import Model, ModelError
from harness.errors import UsageError
from harness.network.endpoint import Endpoint
from harness.task import Task

if TYPE_CHECKING:
    from agent.prices import Offer

Wire = Literal["auto", "responses", "chat"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True)
class LiveOptions:
    """What `harness run` was told about the model beside its name and endpoint.

    Attributes:
        wire: how to speak to the endpoint.
        effort: reasoning effort, for models that take one.
        price: dollars for a million tokens, as `INPUT,CACHED,OUTPUT`; None to look it up.
        allow_unknown_price: whether a model may work whose dollars nobody can count.
        context: how many tokens the model reads; None to look it up.
        patience: seconds one call of the model may wait for an endpoint that is down or busy.
    """

    wire: Wire = "auto"
    effort: Effort | None = None
    price: str | None = None
    allow_unknown_price: bool = False
    context: int | None = None
    patience: float = 120.0


@dataclass(frozen=True)
class LiveModel:
    """A model that can be asked.

    Attributes:
        pricing: what it costs; None where nobody knows, and that was allowed.
        context_tokens: how large a view of the history it is shown.
        note: what it costs and how that is known, in a sentence.
    """

    name: str
    endpoint: Endpoint
    options: LiveOptions
    pricing: Pricing | None
    context_tokens: int
    note: str

    def new(self) -> Model:
        """A fresh one, with nothing carried over from another attempt."""
        from agent.openai_model import new_model  # noqa: PLC0415 - only where a model is live

        endpoint, options = self.endpoint, self.options
        return new_model(
            self.name,
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            wire=options.wire,
            effort=options.effort,
            patience=options.patience,
        )


def live_model(name: str, base_url: str | None, options: LiveOptions, task: Task) -> LiveModel:
    """The model a user means, ready to be asked.

    Raises:
        UsageError: there is no key, or the endpoint refuses it; a price makes no sense; or dollars are limited and
            the price is unknown.
    """
    from agent.context import limit_for  # noqa: PLC0415
    from agent.openai_model import offered_context  # noqa: PLC0415

    endpoint = Endpoint.from_environment(base_url, (name,))
    offer = pricing_of(name, endpoint.base_url, options, task)
    try:
        # Asked in any case: a key that is refused is told now, not after minutes of admitting the base.
        offered = offered_context(name, base_url=endpoint.base_url, api_key=endpoint.api_key)
    except ModelError as error:
        raise UsageError(str(error)) from error
    window = options.context or offer.context_tokens or offered
    # A long view costs its price at every step: more than the default is for those who ask for it.
    context = limit_for(window) if window is not None else CONTEXT_TOKENS
    context = context if options.context is not None else min(context, CONTEXT_TOKENS)
    return LiveModel(name, endpoint, options, offer.pricing, context, _note(offer))


def pricing_of(name: str, url: str, options: LiveOptions, task: Task) -> Offer:
    """What a model costs: by `--price`, else by the task's `prices`, else by price data.

    Args:
        name: the model.
        url: its endpoint.
        options: what the user said.
        task: whose dollar limit must be possible to hold.

    Raises:
        UsageError: the price makes no sense, or is unknown where dollars are limited.
    """
    from agent.prices import Offer, look_up  # noqa: PLC0415 - only where a model is live

    offer = look_up(name, url)
    if options.price is not None:
        return Offer(_parse(options.price), offer.context_tokens, "--price")
    if (given := task.prices.get(name)) is not None:
        cached = given.input if given.cached is None else given.cached
        return Offer(Prices(given.input, cached, given.output), offer.context_tokens, "the task's prices")
    if offer.pricing is None and task.limits.usd is not None and not options.allow_unknown_price:
        raise UsageError(
            f"The price of {name} at {url} is unknown, and the task limits an attempt to "
            f"${task.limits.usd:g}: nobody could tell when that is reached.",
            remedy="Give it with --price INPUT,CACHED,OUTPUT (dollars for a million tokens) or under `prices` in the "
            "task, lift the limit with --limit usd=none, or let the model work uncounted with --allow-unknown-price.",
        )
    return offer


def _parse(text: str) -> Prices:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 2:
        numbers.insert(1, numbers[0])
    if len(numbers) != 3 or not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise UsageError(
            f"--price {text}: not a price.",
            remedy="Write dollars for a million tokens as INPUT,CACHED,OUTPUT, such as 1.25,0.125,10; or INPUT,OUTPUT "
            "where input from the cache costs as much as other input.",
        )
    return Prices(*numbers)


def _note(offer: Offer) -> str:
    if offer.pricing is None:
        return "The model's price is unknown: its dollars are not counted, and no limit on them holds."
    return f"Prices: {price_text(offer.pricing)} ({offer.source})."


def price_text(pricing: Pricing) -> str:
    """Prices in words: dollars for a million tokens, in the order they are given in."""
    from agent.prices import CataloguePrices  # noqa: PLC0415 - only where a model is live

    flat = pricing.per_million if isinstance(pricing, CataloguePrices) else pricing
    if not isinstance(flat, Prices):
        return "known"
    if flat == Prices(0, 0, 0):
        return "free"
    return f"${flat.input:g} input, ${flat.cached:g} cached, ${flat.output:g} output per million tokens"
